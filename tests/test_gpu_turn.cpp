#include "program/gpu_turn.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace qwen3_tts {
namespace {

using Kind = GpuTurn::Kind;

TEST(GpuTurnTest, SomeAreThereTogether) {
  const GpuTurn first(Kind::kTogether);
  std::thread([] { const GpuTurn second(Kind::kTogether); }).join();
}

TEST(GpuTurnTest, ProgramsForCpusWaitForNobody) {
  const GpuTurn alone(Kind::kAlone);
  const GpuTurn of_cpu(Kind::kNone);
}

TEST(GpuTurnTest, WhoIsAloneIsAlone) {
  std::atomic<int> num_together{0};
  int num_alone = 0;  // Of whoever is alone: ThreadSanitizer sees any other use.
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int turn = 0; turn < 300; ++turn) {
        if ((turn + i) % 3 == 0) {
          const GpuTurn alone(Kind::kAlone);
          EXPECT_EQ(num_together, 0);
          ++num_alone;
        } else {
          const GpuTurn together(Kind::kTogether);
          ++num_together;
          std::this_thread::yield();
          --num_together;
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(num_alone, 400);
}

/// As long as somebody waits to be alone, nobody else comes in, though another one is there.
TEST(GpuTurnTest, WhoWaitsToBeAloneIsNotOvertaken) {
  std::atomic<int64_t> num_turns{0};
  std::atomic<bool> is_over{false};
  auto there = std::make_unique<GpuTurn>(Kind::kTogether);
  std::thread others([&] {
    while (!is_over) {
      const GpuTurn together(Kind::kTogether);
      ++num_turns;
    }
  });
  while (num_turns == 0) {
    std::this_thread::yield();
  }
  std::thread waiting([&] {
    const GpuTurn alone(Kind::kAlone);
    is_over = true;
  });
  bool is_still = false;
  for (int i = 0; i < 100 && !is_still; ++i) {
    const int64_t before = num_turns;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    is_still = num_turns == before;
  }
  EXPECT_TRUE(is_still);
  there.reset();
  waiting.join();
  others.join();
}

}  // namespace
}  // namespace qwen3_tts
