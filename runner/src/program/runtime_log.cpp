#include "program/runtime_log.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <string_view>

#include <executorch/runtime/platform/platform.h>

namespace qwen3_tts {
namespace {

struct ErrorLog {
  std::mutex mutex;
  std::string message;
  std::atomic<bool> is_set{false};
};

ErrorLog& error_log() {
  static ErrorLog* log = new ErrorLog;  // Never destroyed: pool threads may log at exit.
  return *log;
}

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
  ErrorLog& log = error_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  if (log.is_set) {
    return;  // What follows the first error is its echo on the way up.
  }
  log.message.assign(message, length);
  log.is_set = true;
}

}  // namespace

void capture_runtime_log() {
  static const bool registered =
      executorch::runtime::register_pal(executorch::runtime::PalImpl::create(emit, __FILE__));
  static_cast<void>(registered);
}

void clear_runtime_error() {
  ErrorLog& log = error_log();
  if (!log.is_set) {
    return;
  }
  const std::lock_guard<std::mutex> lock(log.mutex);
  log.is_set = false;
}

std::string take_runtime_error() {
  ErrorLog& log = error_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  if (!log.is_set) {
    return "";
  }
  log.is_set = false;
  std::string message = std::move(log.message);
  // It may quote bytes of a damaged file.
  std::replace_if(message.begin(), message.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return message;
}

}  // namespace qwen3_tts
