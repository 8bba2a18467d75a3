#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>

namespace qwen3_tts {

/// A mutex that threads get in the order in which they asked for it, for std::lock_guard. Of a std::mutex, who gives it
/// back and asks again is served before those who have to be woken up: a busy thread keeps it.
class FairMutex {
 public:
  void lock() {
    std::unique_lock<std::mutex> guard(mutex_);
    if (!is_taken_) {
      is_taken_ = true;
      return;
    }
    Waiter self;
    waiting_.push_back(&self);
    self.turn.wait(guard, [&] { return self.has_turn; });
  }

  void unlock() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (waiting_.empty()) {
      is_taken_ = false;
      return;
    }
    Waiter& next = *waiting_.front();
    waiting_.pop_front();
    next.has_turn = true;  // It stays taken, so that nobody comes between.
    next.turn.notify_one();
  }

  /// Threads that asked for it and do not have it.
  size_t num_waiting() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    return waiting_.size();
  }

 private:
  struct Waiter {
    std::condition_variable turn;
    bool has_turn = false;
  };

  mutable std::mutex mutex_;
  bool is_taken_ = false;
  std::deque<Waiter*> waiting_;  ///< Each lives on its thread's stack.
};

}  // namespace qwen3_tts
