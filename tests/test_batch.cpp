#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "environment.h"
#include "session_testing.h"
#include "test_models.h"

/// Utterances that share calls, on models: each says the same bytes as alone. `make test-threads` runs them under
/// ThreadSanitizer, and longer: the environment says how long.
namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::from_environment;
using testing::must;
using testing::options;
using testing::some_voice;
using testing::speak;

/// What is said and how; every one otherwise.
struct Order {
  SynthesisRequest request;
  SynthesisOptions options;
};

class BatchTest : public ::testing::TestWithParam<std::string> {
 protected:
  BatchTest() : engine_(open(8)) {
    for (const Order& order : orders()) {
      alone_.push_back(say(*engine_, order));
    }
  }

  std::unique_ptr<Engine> open(int32_t max_batch, bool is_fused = true) const {
    EngineOptions options;
    options.model_path = testing::model_path(GetParam());
    options.max_batch = max_batch;
    options.fused_code_predictor = is_fused;
    return must(Engine::create(options));
  }

  /// Greedy and sampled, short and long, in pieces, with pauses, trimmed, by other chunks, codes alone.
  std::vector<Order> orders() const {
    std::vector<Order> orders;
    for (uint64_t i = 0; i < 9; ++i) {
      Order order{testing::request("Number " + std::to_string(i) + " says this and that."),
                  options(14 + 3 * static_cast<int64_t>(i), i)};
      order.options.chunk_frames = 1 + static_cast<int64_t>(i % 5);
      orders.push_back(order);
    }
    orders[1].options.temperature = orders[1].options.subtalker_temperature = 0.0F;
    orders[2].request.text = "One sentence. Another one! A third one?\n\nAnd a paragraph.";
    orders[2].options.long_text = LongText::kSplit;
    orders[2].options.max_new_tokens = 60;
    orders[3].request.text = "Before. [pause 200ms] After.";
    orders[3].request.markup = true;
    orders[4].options.trim_silence = true;
    orders[5].options.codes_only = true;
    orders[6].options.text_layout = TextLayout::kStreaming;
    for (size_t i = 0; i < orders.size(); ++i) {
      give_voice(orders[i].request, i);
    }
    return orders;
  }

  /// A speaker; or, where the model has none, by turns an x-vector and two voices whose recordings prime the codec.
  void give_voice(SynthesisRequest& request, size_t index) const {
    if (engine_->metadata().speakers.empty()) {
      constexpr int64_t kFrames[] = {0, 5, 40};
      request.voice = some_voice(kFrames[index % 3], engine_->metadata());
    } else {
      request.speaker = "ryan";
    }
  }

  static testing::Utterance say(Engine& engine, const Order& order) {
    return speak(*must(engine.create_session()), order.request, order.options);
  }

  /// Says all orders, some of them again, in so many threads.
  void say_at_once(Engine& engine, size_t num_threads, size_t num_utterances = 12) {
    const std::vector<Order> orders = this->orders();
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    for (size_t i = 0; i < num_threads; ++i) {
      threads.emplace_back([&] {
        const auto session = must(engine.create_session());
        for (size_t index = next++; index < num_utterances; index = next++) {
          const Order& order = orders[index % orders.size()];
          const testing::Utterance found = speak(*session, order.request, order.options);
          SCOPED_TRACE("order " + std::to_string(index));
          expect_equal(found, alone_[index % orders.size()]);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  std::unique_ptr<Engine> engine_;
  std::vector<testing::Utterance> alone_;
};

INSTANTIATE_TEST_SUITE_P(Models, BatchTest,
                         ::testing::Values("tiny-customvoice", "tiny-customvoice-small", "tiny-base"),
                         [](const auto& tested) {
                           std::string name = tested.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

TEST_P(BatchTest, AnyNumberAtOnceSaysTheSameBytes) {
  for (const size_t num_threads : {3U, 12U}) {
    SCOPED_TRACE(std::to_string(num_threads) + " threads");
    say_at_once(*engine_, num_threads);
  }
}

TEST_P(BatchTest, ThirtyTwoThreadsSayTheSameBytes) { say_at_once(*engine_, 32, 36); }

TEST_P(BatchTest, ASmallerBatchSaysTheSameBytes) { say_at_once(*open(2), 5); }

TEST_P(BatchTest, StepByStepTheCodesAreTheSame) { say_at_once(*open(8, /*is_fused=*/false), 6); }

/// Pieces of a text that are spoken ahead, alone and beside other utterances.
TEST_P(BatchTest, PiecesAheadSayTheSameBytes) {
  Order book = orders()[2];
  book.request.text.clear();
  for (int i = 0; i < 8; ++i) {
    book.request.text += "Sentence number " + std::to_string(i) + " of the book.\n\n";
  }
  book.options.max_new_tokens.reset();
  book.options.frame_budget = 20;
  book.options.ahead = 0;
  const testing::Utterance expected = say(*engine_, book);
  EXPECT_EQ(expected.stats.pieces, 8);
  std::vector<std::thread> threads;
  for (const int64_t ahead : {1, 3, 3, 7}) {
    threads.emplace_back([&, ahead] {
      Order order = book;
      order.options.ahead = ahead;
      expect_equal(say(*engine_, order), expected);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  Order alone = book;
  alone.options.ahead = 3;
  expect_equal(say(*engine_, alone), expected);
}

/// Takes its second samples only when it is let go on.
class StallingSink : public testing::MemorySink {
 public:
  Status write(const float* samples, int64_t num_samples) override {
    std::unique_lock<std::mutex> lock(mutex_);
    if (num_writes == 1) {
      is_stalled_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return may_go_on_; });
    }
    return MemorySink::write(samples, num_samples);
  }

  void wait_until_stalled() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return is_stalled_ || is_over_; });
  }

  /// Nothing more comes, whatever the reason: nobody waits for that any longer.
  void end() {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_over_ = true;
    changed_.notify_all();
  }

  void go_on() {
    const std::lock_guard<std::mutex> lock(mutex_);
    may_go_on_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_stalled_ = false;
  bool may_go_on_ = false;
  bool is_over_ = false;
};

/// Whoever listens slowly keeps nobody else from speaking.
TEST_P(BatchTest, WhoStallsStallsNobody) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::milliseconds(from_environment("QWEN3_TTS_TEST_STALL_MS", 0));
  const Order order = orders()[8];
  StallingSink sink;
  std::thread slow([&] {
    const auto session = must(engine_->create_session());
    const auto stats = session->synthesize(order.request, order.options, sink);
    EXPECT_TRUE(stats.ok()) << stats.error().message;
    EXPECT_EQ(session->codes(), alone_[8].codes);
    sink.end();
  });
  sink.wait_until_stalled();
  do {
    say_at_once(*engine_, 3);
  } while (Clock::now() < end);
  sink.go_on();
  slow.join();
  EXPECT_EQ(sink.received, alone_[8].samples);
}

/// A schedule of starts, stops, deliveries and sessions that come and go: what was heard is the beginning of what is
/// said alone, and all of it where nobody stopped.
TEST_P(BatchTest, JoinsStopsAndLeavesAtAnyMoment) {
  const std::vector<Order> orders = this->orders();
  constexpr int kThreads = 6;
  const int64_t num_utterances = from_environment("QWEN3_TTS_TEST_SCHEDULE", 60);
  const int64_t seed = from_environment("QWEN3_TTS_TEST_SEED", 1);
  std::atomic<int64_t> next{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      std::minstd_rand random(static_cast<uint32_t>(seed * kThreads + thread));
      auto session = must(engine_->create_session());
      while (next++ < num_utterances) {
        const size_t index = random() % orders.size();
        const auto stop_after = static_cast<uint32_t>(random() % 12);
        session->reset();
        ASSERT_TRUE(session->start(orders[index].request, orders[index].options).ok());
        testing::Samples heard;
        bool is_last = false;
        for (uint32_t delivery = 0; !is_last; ++delivery) {
          if (delivery == stop_after) {
            session->stop();
          }
          const AudioChunk chunk = must(session->next());
          heard.insert(heard.end(), chunk.samples, chunk.samples + chunk.num_samples);
          is_last = chunk.is_last;
        }
        const testing::Samples& whole = alone_[index].samples;
        ASSERT_LE(heard.size(), whole.size());
        EXPECT_TRUE(std::equal(heard.begin(), heard.end(), whole.begin())) << index;
        EXPECT_TRUE(session->stats().finish_reason == FinishReason::kStopped || heard == whole) << index;
        if (random() % 4 == 0) {
          session = must(engine_->create_session());
        } else if (random() % 4 == 0) {  // Another one begins in the middle.
          ASSERT_TRUE(session->start(orders[0].request, orders[0].options).ok());
          must(session->next());
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

}  // namespace
}  // namespace qwen3_tts
