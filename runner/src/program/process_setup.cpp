#include "program/process_setup.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string_view>

#include <executorch/runtime/platform/platform.h>

// The wheel exports the thread pool's symbols but does not ship its header.
namespace executorch::extension::threadpool {
class ThreadPool {
 public:
  bool _unsafe_reset_threadpool(uint32_t num_threads);
  size_t get_thread_count() const;
};
ThreadPool* get_threadpool();
}  // namespace executorch::extension::threadpool

namespace qwen3_tts {
namespace {

constexpr int32_t kMaxThreads = 1024;

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

Status check_thread_count(int32_t num_threads) {
  if (num_threads < 0 || num_threads > kMaxThreads) {
    return Error{ErrorCode::kInvalidArgument, "the number of threads is " + std::to_string(num_threads) +
                                                  "; give 0 (all cores) to " + std::to_string(kMaxThreads)};
  }
  return {};
}

Status set_thread_count(int32_t num_threads) {
  static std::mutex mutex;
  static std::optional<int32_t> chosen;
  if (Status status = check_thread_count(num_threads); !status.ok()) {
    return status;
  }
  const std::lock_guard<std::mutex> lock(mutex);
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (pool == nullptr) {
    return Error{ErrorCode::kExecution, "ExecuTorch's thread pool could not be made"};
  }
  if (chosen.has_value()) {
    if (num_threads == 0 || num_threads == *chosen) {
      return {};
    }
    return Error{ErrorCode::kInvalidArgument, "the number of threads is " + std::to_string(num_threads) +
                                                  ", but this process already runs with " + std::to_string(*chosen) +
                                                  "; the first engine of a process decides"};
  }
  if (num_threads != 0 && static_cast<size_t>(num_threads) != pool->get_thread_count() &&
      !pool->_unsafe_reset_threadpool(static_cast<uint32_t>(num_threads))) {
    return Error{ErrorCode::kExecution, "ExecuTorch's thread pool could not be set to " + std::to_string(num_threads)};
  }
  chosen = num_threads != 0 ? num_threads : static_cast<int32_t>(pool->get_thread_count());
  return {};
}

}  // namespace qwen3_tts
