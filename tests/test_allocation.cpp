#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "environment.h"
#include "failing_allocations.h"
#include "session_testing.h"
#include "test_models.h"

/// Allocations that fail, one by one, on the whole way of an utterance: an error and nothing worse, and afterwards the
/// same engine says the same bytes. Where all fail that follow, too, this is promised of an engine that is open: when
/// XNNPACK lets go of a method, or a JSON object goes, these take memory, and end the process when there is none.
namespace qwen3_tts {
namespace {

using testing::fail_allocations;
using testing::Failing;
using testing::heal_allocations;
using testing::must;

/// Keeps what it gets in memory that it has.
class RoomySink : public AudioSink {
 public:
  RoomySink() { received.reserve(size_t{1} << 20); }
  Status write(const float* samples, int64_t num_samples) override {
    received.insert(received.end(), samples, samples + num_samples);
    return {};
  }
  Status close() override { return {}; }

  testing::Samples received;
};

/// What does not fit into the usual time is left to `make test-faults`.
int64_t stride() { return testing::from_environment("QWEN3_TTS_TEST_STRIDE", 41); }

class AllocationTest : public ::testing::TestWithParam<const char*> {
 protected:
  AllocationTest() {
    request_.text = "One sentence. Another one!";
    request_.speaker = "ryan";
    options_ = testing::options(14);
    options_.long_text = LongText::kSplit;
    options_.ahead = 1;
    options_.chunk_frames = 3;
    expected_ = said(*engine_).value();
  }

  /// An utterance with all that it takes; the error that ended it, or what was heard.
  Result<testing::Samples> said(Engine& engine) const {
    RoomySink sink;
    return said(engine, sink);
  }

  Result<testing::Samples> said(Engine& engine, RoomySink& sink) const {
    const Status status = speak(engine, sink);
    return status.ok() ? Result<testing::Samples>(sink.received) : Result<testing::Samples>(status.error());
  }

  Status speak(Engine& engine, AudioSink& sink) const {
    const auto session = engine.create_session();
    if (!session.ok()) {
      return session.error();
    }
    const auto stats = (*session)->synthesize(request_, options_, sink);
    return stats.ok() ? Status() : stats.error();
  }

  /// All was heard; or the error names the lack of memory, and what was heard is the beginning.
  void expect_said_as_far_as_memory(const Status& status, const RoomySink& sink) const {
    if (status.ok()) {
      EXPECT_EQ(sink.received, expected_);
      return;
    }
    EXPECT_EQ(status.error().code, ErrorCode::kOutOfMemory) << status.error().message;
    ASSERT_LE(sink.received.size(), expected_.size());
    EXPECT_TRUE(std::equal(sink.received.begin(), sink.received.end(), expected_.begin()));
  }

  void fail_each(Failing how) const {
    int64_t number = 1;
    int64_t num_errors = 0;
    for (bool has_failed = true; has_failed; number += stride()) {
      SCOPED_TRACE("allocation " + std::to_string(number));
      RoomySink sink;
      fail_allocations(number, how);
      const Status status = speak(*engine_, sink);
      has_failed = heal_allocations();
      num_errors += status.ok() ? 0 : 1;
      expect_said_as_far_as_memory(status, sink);
      ASSERT_EQ(must(said(*engine_)), expected_) << "afterwards";
    }
    EXPECT_GT(num_errors, 3);
  }

  SynthesisRequest request_;
  SynthesisOptions options_;
  std::unique_ptr<Engine> engine_ = testing::make_engine(GetParam());
  testing::Samples expected_;
};

TEST_P(AllocationTest, EachOfAnUtterance) { fail_each(Failing::kOne); }

TEST_P(AllocationTest, AllOfAnUtteranceFromThere) { fail_each(Failing::kAllFromThere); }

TEST_P(AllocationTest, EachOfAnEngine) {
  EngineOptions options;
  options.model_path = testing::model_path(GetParam());
  int64_t number = 1;
  int64_t num_errors = 0;
  for (bool has_failed = true; has_failed; number += 5 * stride()) {
    SCOPED_TRACE("allocation " + std::to_string(number));
    RoomySink sink;
    fail_allocations(number, Failing::kOne);
    auto engine = Engine::create(options);
    Status status = engine.ok() ? speak(**engine, sink) : Status(engine.error());
    has_failed = heal_allocations();
    num_errors += status.ok() ? 0 : 1;
    expect_said_as_far_as_memory(status, sink);
  }
  EXPECT_GT(num_errors, 3);
  EXPECT_EQ(must(said(*must(Engine::create(options)))), expected_);
}

/// It is the error of those in whose calls it happened; everybody comes to an end.
TEST_P(AllocationTest, EachOfUtterancesAtOnce) {
  constexpr size_t kThreads = 4;
  int64_t number = 1;
  for (bool has_failed = true; has_failed; number += 5 * stride()) {
    SCOPED_TRACE("allocation " + std::to_string(number));
    std::array<RoomySink, kThreads> sinks;
    std::array<Status, kThreads> statuses;
    std::atomic<bool> is_begun{false};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        while (!is_begun) {
          std::this_thread::yield();
        }
        statuses[i] = speak(*engine_, sinks[i]);
      });
    }
    fail_allocations(number, Failing::kOne);
    is_begun = true;
    for (std::thread& thread : threads) {
      thread.join();
    }
    has_failed = heal_allocations();
    for (size_t i = 0; i < kThreads; ++i) {
      expect_said_as_far_as_memory(statuses[i], sinks[i]);
    }
    ASSERT_EQ(must(said(*engine_)), expected_) << "afterwards";
  }
}

INSTANTIATE_TEST_SUITE_P(Models, AllocationTest, ::testing::Values("tiny-customvoice", "tiny-customvoice-small"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

}  // namespace
}  // namespace qwen3_tts
