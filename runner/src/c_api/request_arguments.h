#pragma once

#include <memory>
#include <string>

#include <qwen3_tts.h>
#include <qwen3_tts/json.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/try.h"
#include "c_api/arguments.h"
#include "c_api/handles.h"

namespace qwen3_tts::c_api {

/// What to say, and how.
struct RequestArguments {
  SynthesisRequest request;
  SynthesisOptions options;
};

/// `voice` may be NULL.
inline Result<RequestArguments> read_request(const char* request_json, const qwen3_tts_voice* voice) {
  RETURN_IF_ERROR(require(request_json, "request_json"));
  RequestArguments arguments;
  RETURN_IF_ERROR(about("request_json", from_json(request_json, arguments.request, arguments.options)));
  if (voice != nullptr) {
    ASSIGN_OR_RETURN(arguments.request.voice, Voices::get().find(voice, "voice"));
  }
  return arguments;
}

}  // namespace qwen3_tts::c_api
