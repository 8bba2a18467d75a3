#include "program/program.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include <executorch/runtime/kernel/thread_parallel_interface.h>
#include <gtest/gtest.h>

#include "ops/ops.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

/// Keeps the threads of ExecuTorch's pool, so that a method that needs them stays where it is.
class BusyPool {
 public:
  BusyPool() : holder_([this] { hold(); }) { is_busy_.get_future().wait(); }
  ~BusyPool() {
    is_over_.set_value();
    holder_.join();
  }
  BusyPool(const BusyPool&) = delete;
  BusyPool& operator=(const BusyPool&) = delete;

 private:
  void hold() {
    const std::shared_future<void> is_over = is_over_.get_future().share();
    std::once_flag once;
    executorch::extension::parallel_for(0, 2, 1, [&](int64_t, int64_t) {
      std::call_once(once, [this] { is_busy_.set_value(); });
      is_over.wait();
    });
  }

  std::promise<void> is_busy_, is_over_;
  std::thread holder_;
};

/// Whoever asks would wait for a frame of those who speak.
TEST(ProgramTest, TellsWhatItHasWhileAMethodRuns) {
  register_ops();
  const auto program = testing::must(Program::create(testing::model_path("tiny-customvoice")));
  auto pool = std::make_unique<BusyPool>();
  std::atomic<bool> is_done{false};
  std::thread runner([&] {
    EXPECT_TRUE(program->run_on_ones("talker").ok());  // Which loads it first.
    is_done = true;
  });
  auto answer = std::async(std::launch::async, [&] {
    while (program->loaded_methods().empty()) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(program->load_methods({"talker"}).ok());
    EXPECT_TRUE(program->method_names().ok());
    EXPECT_TRUE(program->method_spec("talker").ok());
    EXPECT_TRUE(program->input_spec("talker", 0).ok());
    EXPECT_TRUE(program->uses_backend("XnnpackBackend").ok());
  });
  EXPECT_EQ(answer.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_FALSE(is_done);
  pool.reset();
  runner.join();
}

}  // namespace
}  // namespace qwen3_tts
