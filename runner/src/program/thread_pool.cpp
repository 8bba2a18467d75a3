#include "program/thread_pool.h"

#include <mutex>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/try.h"
#include "program/executorch_thread_pool.h"

namespace qwen3_tts {
namespace {

constexpr int32_t kMaxThreads = 1024;

}  // namespace

Status check_thread_count(int32_t num_threads) {
  if (num_threads < 0 || num_threads > kMaxThreads) {
    return invalid_argument("the number of threads is " + std::to_string(num_threads) + "; give 0 (all cores) to " +
                            std::to_string(kMaxThreads));
  }
  return {};
}

Status set_thread_count(int32_t num_threads) {
  static std::mutex mutex;
  static std::optional<int32_t> chosen;
  RETURN_IF_ERROR(check_thread_count(num_threads));
  const std::lock_guard<std::mutex> lock(mutex);
  auto* pool = executorch::extension::threadpool::get_threadpool();
  if (pool == nullptr) {
    return Error{ErrorCode::kExecution, "ExecuTorch's thread pool could not be made"};
  }
  if (chosen.has_value()) {
    if (num_threads == 0 || num_threads == *chosen) {
      return {};
    }
    return invalid_argument("the number of threads is " + std::to_string(num_threads) +
                            ", but this process already runs with " + std::to_string(*chosen) +
                            "; the first engine of a process decides");
  }
  if (num_threads != 0 && static_cast<size_t>(num_threads) != pool->get_thread_count() &&
      !pool->_unsafe_reset_threadpool(static_cast<uint32_t>(num_threads))) {
    return Error{ErrorCode::kExecution, "ExecuTorch's thread pool could not be set to " + std::to_string(num_threads)};
  }
  chosen = num_threads != 0 ? num_threads : static_cast<int32_t>(pool->get_thread_count());
  return {};
}

}  // namespace qwen3_tts
