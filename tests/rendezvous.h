#pragma once

#include <atomic>
#include <thread>

namespace qwen3_tts::testing {

/// Two threads meet here, and nothing of it orders what they do: a race behind it is one however slow the machine is.
class Rendezvous {
 public:
  /// Waits for the other thread. Each thread waits once.
  void wait() {
    thread_local bool has_come = false;
    if (!has_come) {
      has_come = true;
      num_threads_.fetch_add(1, std::memory_order_relaxed);
    }
    while (num_threads_.load(std::memory_order_relaxed) < 2) {
      std::this_thread::yield();
    }
  }

 private:
  std::atomic<int> num_threads_{0};
};

}  // namespace qwen3_tts::testing
