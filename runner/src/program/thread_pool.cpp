#include "program/thread_pool.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/try.h"
#include "program/cpu_quota.h"
#include "program/executorch_thread_pool.h"

namespace qwen3_tts {
namespace {

constexpr int32_t kMaxThreads = 1024;

/// Threads that each have a processor, and not more than the pool has by itself.
int32_t usable_threads(size_t num_pool_threads) {
  auto num_threads = static_cast<int64_t>(num_pool_threads);
  if (const unsigned affinity = std::thread::hardware_concurrency(); affinity > 0) {
    num_threads = std::min<int64_t>(num_threads, affinity);
  }
  return static_cast<int32_t>(std::clamp<int64_t>(cpu_quota().value_or(num_threads), 1, num_threads));
}

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
    return Error{ErrorCode::kExecution,
                 "ExecuTorch's thread pool could not be made; it needs /proc/cpuinfo to be there"};
  }
  if (chosen.has_value()) {
    if (num_threads == 0 || num_threads == *chosen) {
      return {};
    }
    return invalid_argument("the number of threads is " + std::to_string(num_threads) +
                            ", but this process already runs with " + std::to_string(*chosen) +
                            "; the first engine of a process decides");
  }
  const int32_t wanted = num_threads != 0 ? num_threads : usable_threads(pool->get_thread_count());
  if (static_cast<size_t>(wanted) != pool->get_thread_count() &&
      !pool->_unsafe_reset_threadpool(static_cast<uint32_t>(wanted))) {
    return Error{ErrorCode::kExecution, "ExecuTorch's thread pool could not be set to " + std::to_string(wanted)};
  }
  chosen = wanted;
  return {};
}

int32_t thread_count() {
  const auto* pool = executorch::extension::threadpool::get_threadpool();
  return pool == nullptr ? 1 : static_cast<int32_t>(pool->get_thread_count());
}

}  // namespace qwen3_tts
