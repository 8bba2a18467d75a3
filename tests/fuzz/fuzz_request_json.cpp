// Requests and options as JSON.

#include <qwen3_tts/engine_options.h>
#include <qwen3_tts/json.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/voice_encoder.h>

#include "fuzzing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  const std::string_view json = testing::text_of(data, size);
  SynthesisRequest request;
  SynthesisOptions options;
  EngineOptions engine;
  VoiceEncoderOptions encoder;
  const bool is_both = from_json(json, request, options).ok();
  const bool is_request = from_json(json, request).ok();
  const bool is_options = from_json(json, options).ok();
  testing::require(is_both || !(is_request || is_options), "what is one is both");
  static_cast<void>(from_json(json, engine));
  static_cast<void>(from_json(json, encoder));
  return 0;
}
