#pragma once

#include <string>
#include <utility>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// What to do about a model file that was exported wrong, or for another runner; flags of the exporter may follow.
inline constexpr char kReexport[] = "; re-export with export_unified.py";

inline Error invalid_argument(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

/// kInvalidModel: "<what>; re-export with export_unified.py".
inline Error invalid_model(std::string what) { return {ErrorCode::kInvalidModel, std::move(what) + kReexport}; }

/// The same result. What an error is about stands before it: "<subject>: <message>".
template <typename T>
Result<T> about(const std::string& subject, Result<T> result) {
  if (result.ok()) {
    return result;
  }
  return Error{result.error().code, subject + ": " + result.error().message};
}

}  // namespace qwen3_tts
