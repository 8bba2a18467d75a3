#pragma once

#include <condition_variable>
#include <cstddef>
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
    (last_ == nullptr ? first_ : last_->next) = &self;
    last_ = &self;
    self.turn.wait(guard, [&] { return self.has_turn; });
  }

  void unlock() {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (first_ == nullptr) {
      is_taken_ = false;
      return;
    }
    Waiter& next = *first_;
    first_ = next.next;
    last_ = first_ == nullptr ? nullptr : last_;
    next.has_turn = true;  // It stays taken, so that nobody comes between.
    next.turn.notify_one();
  }

  /// Threads that asked for it and do not have it.
  size_t num_waiting() const {
    const std::lock_guard<std::mutex> guard(mutex_);
    size_t num = 0;
    for (const Waiter* each = first_; each != nullptr; each = each->next) {
      ++num;
    }
    return num;
  }

 private:
  struct Waiter {
    std::condition_variable turn;
    Waiter* next = nullptr;
    bool has_turn = false;
  };

  mutable std::mutex mutex_;
  bool is_taken_ = false;
  Waiter* first_ = nullptr;  ///< A list: each lives on its thread's stack, so that locking takes no memory.
  Waiter* last_ = nullptr;
};

}  // namespace qwen3_tts
