#include "program/runtime_log.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string_view>

#include <executorch/runtime/platform/platform.h>

namespace qwen3_tts {
namespace {

/// The first error of a thread. Without a destructor: destructors of other objects may log when the thread ends.
struct ErrorSlot {
  std::array<char, 256> text;  ///< As much as ExecuTorch says at once.
  size_t size;                 ///< 0: there is none.
};

thread_local ErrorSlot thread_error{};

/// ExecuTorch may not write to a weight cache and says so for every delegate; see weight_cache.h.
bool is_refused_write(std::string_view message) {
  return message.rfind("flock(", 0) == 0 || message.rfind("open(", 0) == 0;
}

void emit(et_timestamp_t, et_pal_log_level_t level, const char* file, const char*, size_t line, const char* message,
          size_t length) {
  if (level == kFatal) {
    std::fprintf(stderr, "ExecuTorch: %s:%zu: %.*s\n", file, line, static_cast<int>(length), message);
  }
  if ((level != kError && level != kFatal) || is_refused_write({message, length})) {
    return;
  }
  ErrorSlot& slot = thread_error;
  if (slot.size > 0) {
    return;  // What follows the first error is its echo on the way up.
  }
  slot.size = std::min(length, slot.text.size());
  std::copy_n(message, slot.size, slot.text.begin());
}

}  // namespace

void capture_runtime_log() {
  static const bool registered =
      executorch::runtime::register_pal(executorch::runtime::PalImpl::create(emit, __FILE__));
  static_cast<void>(registered);
}

void clear_runtime_error() { thread_error.size = 0; }

std::string take_runtime_error() {
  std::string message(thread_error.text.data(), thread_error.size);
  clear_runtime_error();
  // It may quote bytes of a damaged file.
  std::replace_if(message.begin(), message.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return message;
}

}  // namespace qwen3_tts
