// A model for a GPU that speaks three utterances at once, with methods that run on a CPU (tests/gpu_program.py): each
// says the same bytes as alone, whoever joins and leaves.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/engine.h>

#include "edited_model.h"
#include "session_testing.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::MemorySink;
using testing::must;
using testing::options;
using testing::Samples;
using testing::some_codes;
using testing::speak;
using testing::Utterance;

constexpr char kBatch[] = "tiny-customvoice-gpu-batch";
constexpr int64_t kSlots = 3;

/// What is said and how.
struct Order {
  SynthesisRequest request;
  SynthesisOptions options;
};

Order order(const std::string& text, int64_t max_new_tokens, uint64_t seed) {
  Order order{testing::request(text), options(max_new_tokens, seed)};
  order.request.speaker = "ryan";
  return order;
}

/// A text of three pieces, and how many of them are spoken ahead.
Order book(int64_t ahead) {
  Order book = order("One sentence.\n\nAnother one.\n\nThe last.", 0, 5);
  book.options.max_new_tokens.reset();
  book.options.long_text = LongText::kSplit;
  book.options.frame_budget = 3;
  book.options.ahead = ahead;
  return book;
}

/// Greedy and sampled, with a pause, by other chunks, codes alone. Short: without a GPU a call of `frame` takes long.
std::vector<Order> all_orders() {
  std::vector<Order> orders;
  for (const int64_t max_new_tokens : {3, 5, 4, 6, 3}) {
    const size_t i = orders.size();
    orders.push_back(order("Number " + std::to_string(i) + " says this.", max_new_tokens, i));
    orders.back().options.chunk_frames = 1 + static_cast<int64_t>(i);
  }
  orders[1].options.temperature = orders[1].options.subtalker_temperature = 0.0F;
  orders[2].options.repetition_penalty = 1.5F;
  orders[3].request.text = "Before. [pause 200ms] After.";
  orders[3].request.markup = true;
  orders[4].options.codes_only = true;
  orders.push_back(book(2));
  return orders;
}

class GpuBatchTest : public ::testing::Test {
 protected:
  /// What everyone says alone, step by step, which without a GPU is faster.
  static void SetUpTestSuite() {
    engine_ = testing::make_engine(kBatch).release();
    const auto stepwise = testing::make_engine(kBatch, /*fused_code_predictor=*/false);
    for (const Order& order : all_orders()) {
      alone_.push_back(say(*stepwise, order));
    }
  }

  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
    alone_.clear();
  }

  static Utterance say(Engine& engine, const Order& order) {
    return speak(*must(engine.create_session()), order.request, order.options);
  }

  /// Says all orders in three threads.
  static void say_at_once(Engine& engine) {
    const std::vector<Order> orders = all_orders();
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    for (int64_t i = 0; i < kSlots; ++i) {
      threads.emplace_back([&] {
        const auto session = must(engine.create_session());
        for (size_t index = next++; index < orders.size(); index = next++) {
          SCOPED_TRACE("order " + std::to_string(index));
          expect_equal(speak(*session, orders[index].request, orders[index].options), alone_[index]);
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  static Engine* engine_;
  static std::vector<Utterance> alone_;
};

Engine* GpuBatchTest::engine_ = nullptr;
std::vector<Utterance> GpuBatchTest::alone_;

/// An utterance that a test takes delivery by delivery.
class Listener {
 public:
  Listener(Engine& engine, const Order& order) : session_(must(engine.create_session())) {
    const Status started = session_->start(order.request, order.options);
    EXPECT_TRUE(started.ok()) << started.error().message;
  }

  void hear(int num_deliveries) {
    for (int i = 0; i < num_deliveries && !is_over_; ++i) {
      const AudioChunk chunk = must(session_->next());
      heard_.insert(heard_.end(), chunk.samples, chunk.samples + chunk.num_samples);
      is_over_ = chunk.is_last;
    }
  }

  void stop() { session_->stop(); }

  Utterance finish() {
    hear(10000);
    return {heard_, session_->codes(), session_->talker_tokens(), session_->stats()};
  }

 private:
  std::unique_ptr<SynthesisSession> session_;
  Samples heard_;
  bool is_over_ = false;
};

/// The others have slots and ask for nothing.
TEST_F(GpuBatchTest, AloneInTheLastSlotOneSaysTheSameBytes) {
  const std::vector<Order> orders = all_orders();
  const Listener first(*engine_, orders[1]);
  const Listener second(*engine_, orders[2]);
  expect_equal(say(*engine_, orders[0]), alone_[0]);
}

/// Nothing is warm when three begin.
TEST_F(GpuBatchTest, ThreeAtOnceSayTheSameBytes) {
  for (const bool fused_code_predictor : {true, false}) {
    const auto engine = testing::make_engine(kBatch, fused_code_predictor);
    say_at_once(*engine);
    EXPECT_EQ(engine->capacity().num_sessions, 0);
  }
}

/// In this thread, so that every one is where the test says. Their frames share calls, and the codec has the states of
/// all.
TEST_F(GpuBatchTest, JoinsStopsAndLeavesAtAnyFrame) {
  const std::vector<Order> orders = all_orders();
  auto first = std::make_unique<Listener>(*engine_, orders[2]);
  first->hear(1);
  auto second = std::make_unique<Listener>(*engine_, orders[1]);
  second->hear(2);
  first->hear(1);
  Listener third(*engine_, orders[5]);
  third.hear(1);
  second->stop();
  const Utterance stopped = second->finish();
  EXPECT_EQ(stopped.stats.finish_reason, FinishReason::kStopped);
  EXPECT_GT(stopped.samples.size(), 0U);
  ASSERT_LT(stopped.samples.size(), alone_[1].samples.size());
  EXPECT_TRUE(std::equal(stopped.samples.begin(), stopped.samples.end(), alone_[1].samples.begin()));
  second.reset();
  Listener fourth(*engine_, orders[3]);
  fourth.hear(1);
  expect_equal(first->finish(), alone_[2]);
  first.reset();
  Listener fifth(*engine_, orders[0]);  // In the slots of the first.
  expect_equal(fourth.finish(), alone_[3]);
  expect_equal(third.finish(), alone_[5]);
  expect_equal(fifth.finish(), alone_[0]);
}

TEST_F(GpuBatchTest, PiecesAheadSayTheSameBytes) {
  EXPECT_EQ(alone_[5].stats.pieces, 3);
  const auto stepwise = testing::make_engine(kBatch, /*fused_code_predictor=*/false);
  expect_equal(say(*stepwise, book(0)), alone_[5]);
  expect_equal(say(*engine_, book(1)), alone_[5]);
}

/// Frames without a voice: the codec alone.
TEST_F(GpuBatchTest, CodesOfSeveralAreDecodedInTheirSlots) {
  std::vector<std::vector<int64_t>> codes;
  std::vector<Samples> expected;
  for (const int64_t num_frames : {6, 9, 13}) {
    codes.push_back(some_codes(num_frames, engine_->metadata()));
    std::rotate(codes.back().begin(), codes.back().begin() + num_frames, codes.back().end());
    MemorySink sink;
    ASSERT_TRUE(must(engine_->create_session())->decode(codes.back(), sink).ok());
    expected.push_back(sink.received);
  }
  std::vector<std::thread> threads;
  for (size_t i = 0; i < codes.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto session = must(engine_->create_session());
      for (int round = 0; round < 8; ++round) {
        MemorySink sink;
        EXPECT_TRUE(session->decode(codes[i], sink).ok());
        EXPECT_EQ(sink.received, expected[i]);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST_F(GpuBatchTest, OneSessionMoreThanSlotsIsRefused) {
  std::vector<std::unique_ptr<SynthesisSession>> sessions;
  for (int64_t i = 0; i < kSlots; ++i) {
    sessions.push_back(must(engine_->create_session()));
  }
  EXPECT_EQ(engine_->capacity().max_sessions, kSlots);
  EXPECT_EQ(engine_->capacity().max_batch, kSlots);
  EXPECT_EQ(engine_->capacity().num_sessions, kSlots);
  const auto refused = engine_->create_session();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidState);
  EXPECT_EQ(refused.error().message,
            "this model for a GPU was exported for 3 utterances at once (--batch), and as many sessions exist; destroy "
            "one that is not needed, export with a larger --batch, or speak in another process");
  sessions.pop_back();
  EXPECT_EQ(engine_->capacity().num_sessions, kSlots - 1);
  expect_equal(say(*engine_, all_orders()[0]), alone_[0]);
}

TEST_F(GpuBatchTest, ContractsThatDoNotAgreeAreRefused) {
  std::string bytes = testing::read_bytes(testing::model_path(kBatch));
  const std::string batch = "\"batch\": 3";
  const size_t at = bytes.find(batch);
  ASSERT_NE(at, std::string::npos);
  bytes[at + batch.size() - 1] = '2';
  const testing::TempFolder folder;
  EngineOptions options;
  options.model_path = folder.file("edited.pte");
  testing::write_bytes(options.model_path, testing::with_new_digests(bytes));
  const auto engine = Engine::create(options);
  ASSERT_FALSE(engine.ok());
  EXPECT_NE(engine.error().message.find("its contract says that 3 utterances share a call, and its constant 'cuda' 2"),
            std::string::npos)
      << engine.error().message;
}

TEST_F(GpuBatchTest, AnotherEngineWithInt4LayersWaitsForAllSessions) {
  const testing::TempFolder folder;
  const EngineOptions options = testing::says_int4(testing::model_path(kBatch), folder.file("int4.pte"));
  const auto engine = must(Engine::create(options));
  const auto other = must(Engine::create(options));
  auto first = must(engine->create_session());
  auto second = must(engine->create_session());
  for (int i = 0; i < 2; ++i) {
    const auto refused = other->create_session();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidState);
    EXPECT_NE(refused.error().message.find("another engine has sessions"), std::string::npos);
    first.reset();
  }
  second.reset();
  EXPECT_TRUE(other->create_session().ok());
}

/// Their slots have the same numbers.
TEST_F(GpuBatchTest, TwoEnginesSayTheSameBytes) {
  const auto other = testing::make_engine(kBatch);
  const std::vector<Order> orders = all_orders();
  std::thread beside([&] {
    for (const size_t index : {1U, 3U}) {
      expect_equal(say(*other, orders[index]), alone_[index]);
    }
  });
  Listener first(*engine_, orders[2]);
  Listener second(*engine_, orders[0]);
  expect_equal(second.finish(), alone_[0]);
  expect_equal(first.finish(), alone_[2]);
  beside.join();
}

/// It runs what is cold, and nothing that somebody uses.
TEST_F(GpuBatchTest, PreloadingDisturbsNobody) {
  const std::vector<Order> orders = all_orders();
  const auto engine = testing::make_engine(kBatch, /*fused_code_predictor=*/false);
  Listener codes(*engine, orders[4]);  // Which needs no codec.
  codes.hear(1);
  ASSERT_TRUE(engine->preload(Workload::kSpeech).ok());
  Listener speech(*engine, orders[0]);
  speech.hear(2);
  ASSERT_TRUE(engine->preload(Workload::kSpeech).ok());
  expect_equal(codes.finish(), alone_[4]);
  expect_equal(speech.finish(), alone_[0]);
}

TEST_F(GpuBatchTest, AsManyAsItWasExportedForShareACall) {
  EngineOptions options;
  options.model_path = testing::model_path(kBatch);
  for (const int32_t max_batch : {1, 2, 3, 8}) {
    options.max_batch = max_batch;
    const EngineCapacity capacity = must(Engine::create(options))->capacity();
    EXPECT_EQ(capacity.max_batch, std::min<int64_t>(max_batch, kSlots));
    EXPECT_EQ(capacity.max_sessions, kSlots);
  }
}

}  // namespace
}  // namespace qwen3_tts
