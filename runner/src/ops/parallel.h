#pragma once

#include <atomic>
#include <cstdint>
#include <new>

#include <executorch/extension/threadpool/threadpool_guard.h>
#include <executorch/runtime/kernel/thread_parallel_interface.h>

#ifdef __SANITIZE_THREAD__
#define QWEN3_TTS_TSAN
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QWEN3_TTS_TSAN
#endif
#endif
#ifdef QWEN3_TTS_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace qwen3_tts {

/// While it lives, its thread has a core to itself: operators of other threads leave the pool alone, since they would
/// wait for the share of that core.
class TakenCore {
 public:
  TakenCore() { ++num_taken; }
  ~TakenCore() { --num_taken; }
  TakenCore(const TakenCore&) = delete;
  TakenCore& operator=(const TakenCore&) = delete;

  static bool is_any() { return num_taken > 0; }

 private:
  static inline std::atomic<int64_t> num_taken{0};
};

/// While it lives, this thread may use the pool, whatever it was told before.
class PoolAllowed {
  using Guard = executorch::extension::threadpool::NoThreadPoolGuard;

 public:
  PoolAllowed() { Guard::set_enabled(false); }
  ~PoolAllowed() { Guard::set_enabled(was_kept_out_); }
  PoolAllowed(const PoolAllowed&) = delete;
  PoolAllowed& operator=(const PoolAllowed&) = delete;

 private:
  const bool was_kept_out_ = Guard::is_enabled();
};

/// Calls `run(begin, end)` for parts of [0, count), none of them smaller than `grain`, in the threads of ExecuTorch's
/// pool, and waits for all. A part that finds no memory ends its thread's work and not the process: the caller gets the
/// exception. Where a core is taken, this thread does all. Each operator asks anew, and so also uses a core that became
/// free since OneCore (stages/one_core.h) asked for a whole call.
///
/// The pool is not instrumented, so ThreadSanitizer is told here what it does: what was
/// written before is seen by the parts, and what they write afterwards. What stands between the pool and `run` is not
/// instrumented either: it reads its own captures before it can say anything.
template <typename Run>
void parallel_for(int64_t count, int64_t grain, const Run& run) {
  if (TakenCore::is_any()) {
    run(int64_t{0}, count);
    return;
  }
  const PoolAllowed pool_allowed;
  std::atomic<bool> is_out_of_memory{false};
  const auto run_part = [&](int64_t begin, int64_t end) {
    try {
      run(begin, end);
    } catch (const std::bad_alloc&) {
      is_out_of_memory = true;
    }
  };
#ifdef QWEN3_TTS_TSAN
  char begun = 0;
  char ended = 0;
  __tsan_release(&begun);
  const auto run_between_edges = [&](int64_t begin, int64_t end) __attribute__((no_sanitize_thread)) {
    __tsan_acquire(&begun);
    run_part(begin, end);
    __tsan_release(&ended);
  };
  executorch::extension::parallel_for(0, count, grain, run_between_edges);
  __tsan_acquire(&ended);
#else
  executorch::extension::parallel_for(0, count, grain, run_part);
#endif
  if (is_out_of_memory) {
    throw std::bad_alloc();
  }
}

}  // namespace qwen3_tts
