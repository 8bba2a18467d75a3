#pragma once

#include <qwen3_tts.h>
#include <qwen3_tts/result.h>

#include "base/catching.h"
#include "c_api/last_error.h"

/// What every function of the C interface has around it.
namespace qwen3_tts::c_api {

inline qwen3_tts_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return QWEN3_TTS_INVALID_ARGUMENT;
    case ErrorCode::kInvalidModel:
      return QWEN3_TTS_INVALID_MODEL;
    case ErrorCode::kIo:
      return QWEN3_TTS_IO;
    case ErrorCode::kExecution:
      return QWEN3_TTS_EXECUTION;
    case ErrorCode::kOutOfMemory:
      return QWEN3_TTS_OUT_OF_MEMORY;
    case ErrorCode::kInvalidState:
      break;
  }
  return QWEN3_TTS_INVALID_STATE;
}

inline qwen3_tts_status fail(qwen3_tts_status status, const char* message) {
  qwen3_tts_keep_last_error(message);
  return status;
}

/// Runs `work`, which returns a Status. An error, or an exception of the standard library, is kept for
/// qwen3_tts_last_error().
template <typename Work>
qwen3_tts_status at_boundary(const Work& work) {
  const Status status = catching(work);
  return status.ok() ? QWEN3_TTS_OK : fail(status_of(status.error().code), status.error().message.c_str());
}

}  // namespace qwen3_tts::c_api
