#include "base/fair_mutex.h"

#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

class FairMutexTest : public ::testing::Test {
 protected:
  /// A thread that enters `name` into the order when it has the mutex. It waits for it when this returns.
  std::thread waiter(int name) {
    const size_t num_before = mutex_.num_waiting();
    std::thread thread([this, name] { enter(name); });
    while (mutex_.num_waiting() == num_before) {
      std::this_thread::yield();
    }
    return thread;
  }

  void enter(int name) {
    const std::lock_guard<FairMutex> lock(mutex_);
    order_.push_back(name);
  }

  FairMutex mutex_;
  std::vector<int> order_;
};

TEST_F(FairMutexTest, ThreadsAreServedAsTheyCame) {
  mutex_.lock();
  std::vector<std::thread> threads;
  for (int name = 0; name < 16; ++name) {
    threads.push_back(waiter(name));
  }
  EXPECT_TRUE(order_.empty());
  mutex_.unlock();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(order_, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(mutex_.num_waiting(), 0U);
}

/// Many times: a mutex that is not fair may be so by chance.
TEST_F(FairMutexTest, WhoAsksAgainComesAfterThoseWhoWait) {
  for (int time = 0; time < 100; ++time) {
    order_.clear();
    mutex_.lock();
    std::thread other = waiter(1);
    mutex_.unlock();
    enter(2);
    other.join();
    EXPECT_EQ(order_, (std::vector<int>{1, 2}));
  }
}

TEST_F(FairMutexTest, OneThreadHasItAtATime) {
  constexpr int kThreads = 4;
  constexpr int kTimes = 1000;
  int sum = 0;
  std::vector<std::thread> threads;
  for (int name = 0; name < kThreads; ++name) {
    threads.emplace_back([&] {
      for (int time = 0; time < kTimes; ++time) {
        const std::lock_guard<FairMutex> lock(mutex_);
        const int before = sum;
        std::this_thread::yield();
        sum = before + 1;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, kThreads * kTimes);
}

}  // namespace
}  // namespace qwen3_tts
