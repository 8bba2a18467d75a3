#pragma once

#include <string>
#include <utility>

namespace qwen3_tts::c_api {

/// Keeps a text that is valid until the thread's next call.
inline const char* keep_for_thread(std::string text) {
  thread_local std::string kept;
  kept = std::move(text);
  return kept.c_str();
}

}  // namespace qwen3_tts::c_api
