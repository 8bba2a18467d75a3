#include "session/frame_loop.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "scripted_stages.h"
#include "tiny_contract.h"

/// Many who wait for frames, and calls that make them for all.
namespace qwen3_tts {
namespace {

using testing::Script;
using testing::ScriptedFrames;
using Tokens = std::vector<int64_t>;

constexpr int64_t kMaxBatch = 4;

class FrameLoopTest : public ::testing::Test {
 protected:
  /// A piece whose prompt is read, as `index` of the text of an utterance with this seed.
  std::unique_ptr<SpokenPiece> piece(uint32_t index = 0, uint64_t seed = 42) {
    auto piece = std::make_unique<SpokenPiece>(frames_.create_stream().value());
    piece->stream->draw.seed = seed;
    piece->begin(kMaxTokens, false);
    frames_.take_place(*piece->stream);
    frames_.begin(*piece->stream, index, kMaxTokens);
    return piece;
  }

  /// All frames of a piece, `step` at a time, by the thread that calls.
  MadeFrames speak(SpokenPiece& piece, int64_t step) {
    MadeFrames all;
    loop_.add(piece);
    for (bool has_more = true; has_more;) {
      loop_.make(piece, piece_frames(all) + step, piece_frames(all) + 2 * step, [] { return false; });
      FrameTimes times;
      const MadeFrames made = loop_.take(piece, step, times);
      all.tokens.insert(all.tokens.end(), made.tokens.begin(), made.tokens.end());
      all.codes.insert(all.codes.end(), made.codes.begin(), made.codes.end());
      has_more = loop_.status(piece).ok() && !made.tokens.empty() && made.tokens.back() != eos_;
    }
    loop_.remove(piece);
    return all;
  }

  int64_t piece_frames(const MadeFrames& made) const {
    return static_cast<int64_t>(made.codes.size()) / metadata_.num_code_groups;
  }

  /// Lets `num_threads` call `speak_one` with their number, all at once.
  template <typename SpeakOne>
  static void in_threads(int64_t num_threads, const SpeakOne& speak_one) {
    std::vector<std::thread> threads;
    std::atomic<bool> is_begun{false};
    for (int64_t i = 0; i < num_threads; ++i) {
      threads.emplace_back([&, i] {
        while (!is_begun) {
          std::this_thread::yield();
        }
        speak_one(i);
      });
    }
    is_begun = true;
    for (std::thread& thread : threads) {
      thread.join();
    }
  }

  static constexpr int64_t kMaxTokens = 40;
  const ModelMetadata metadata_ = testing::tiny_metadata();
  const int64_t eos_ = metadata_.codec_eos_id;
  Script script_;
  ScriptedFrames frames_{script_, metadata_};
  FrameLoop loop_{frames_, metadata_, kMaxBatch};
};

TEST_F(FrameLoopTest, OneAloneIsServedByItsOwnThread) {
  frames_.pieces = {{1, 2, 3, eos_}};
  const auto caller = std::this_thread::get_id();
  script_.on_call = [&](const std::string&, int64_t) { EXPECT_EQ(std::this_thread::get_id(), caller); };
  const auto piece = this->piece();
  const MadeFrames made = speak(*piece, 2);
  EXPECT_EQ(made.tokens, (Tokens{1, 2, 3, eos_}));
  EXPECT_EQ(made.codes.size(), 12U);
  EXPECT_EQ(script_.count("draw"), 4) << "no frame more than was waited for";
}

TEST_F(FrameLoopTest, ManyGetWhatTheyGetAlone) {
  frames_.pieces = {{1, 2, 3, eos_}, {5, eos_}, Tokens(35, 4), {1, 1, 1, 1, 1, 1, 7, eos_}, {eos_}};
  frames_.pieces[2].push_back(eos_);
  std::vector<MadeFrames> expected;
  for (uint32_t index = 0; index < 5; ++index) {
    const auto piece = this->piece(index);
    expected.push_back(speak(*piece, 3));
  }
  constexpr int64_t kThreads = 12;
  std::vector<MadeFrames> found(kThreads);
  script_.forget_calls();
  script_.on_call = [](const std::string&, int64_t) { std::this_thread::sleep_for(std::chrono::microseconds(300)); };
  in_threads(kThreads, [&](int64_t i) {
    for (int64_t round = 0; round < 3; ++round) {
      const auto piece = this->piece(static_cast<uint32_t>((i + round) % 5));
      const MadeFrames made = speak(*piece, 1 + i % 4);
      EXPECT_EQ(made.tokens, expected[static_cast<size_t>((i + round) % 5)].tokens);
      EXPECT_EQ(made.codes, expected[static_cast<size_t>((i + round) % 5)].codes);
    }
  });
  EXPECT_EQ(frames_.most_in_a_call, static_cast<size_t>(kMaxBatch)) << "they share calls, as many as may";
}

/// Pieces that come, are stopped from outside and go at any moment: what was taken is the beginning of what is said.
TEST_F(FrameLoopTest, AThousandJoinsStopsAndLeaves) {
  constexpr size_t kThreads = 8;
  constexpr int64_t kPieces = 1000;
  frames_.pieces = {{1, 2, 3, eos_}, Tokens(35, 4), {eos_}, Tokens(12, 5)};
  frames_.pieces[1].push_back(eos_);
  frames_.pieces[3].push_back(eos_);
  std::array<std::atomic<bool>, kThreads> is_stopped{};
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> num_stopped{0};
  in_threads(static_cast<int64_t>(kThreads), [&](int64_t thread) {
    std::minstd_rand random(static_cast<uint32_t>(thread + 1));
    std::atomic<bool>& stop = is_stopped[static_cast<size_t>(thread)];
    while (next++ < kPieces) {
      stop = false;
      const auto index = static_cast<uint32_t>(random() % 4);
      const auto leave_at = static_cast<int64_t>(random() % 40);
      const auto piece = this->piece(index);
      const Tokens& said = frames_.pieces[index];
      Tokens heard;
      loop_.add(*piece);
      loop_.allow(*piece, 2);
      while (!stop && heard.size() < said.size() && static_cast<int64_t>(heard.size()) < leave_at) {
        const auto step = static_cast<int64_t>(1 + random() % 3);
        const auto num_heard = static_cast<int64_t>(heard.size());
        loop_.make(*piece, num_heard + step, num_heard + 2 * step, [&] { return stop.load(); });
        FrameTimes times;
        const MadeFrames made = loop_.take(*piece, step, times);
        heard.insert(heard.end(), made.tokens.begin(), made.tokens.end());
        if (random() % 8 == 0) {
          is_stopped[random() % kThreads] = true;
          loop_.wake();
        }
      }
      num_stopped += stop ? 1 : 0;
      loop_.remove(*piece);
      ASSERT_LE(heard.size(), said.size());
      EXPECT_TRUE(std::equal(heard.begin(), heard.end(), said.begin()));
    }
  });
  EXPECT_GT(num_stopped, 0);
}

TEST_F(FrameLoopTest, WhoBreaksBreaksAlone) {
  frames_.pieces = {Tokens(20, 3)};
  frames_.pieces[0].push_back(eos_);
  frames_.broken_at = 6;
  frames_.broken_seed = 2;
  script_.on_call = [](const std::string&, int64_t) { std::this_thread::sleep_for(std::chrono::microseconds(200)); };
  in_threads(6, [&](int64_t i) {
    const auto piece = this->piece(0, static_cast<uint64_t>(i));
    const MadeFrames made = speak(*piece, 4);
    EXPECT_EQ(made.tokens.size(), i == 2 ? 6U : 21U) << i;
    EXPECT_EQ(loop_.status(*piece).ok(), i != 2) << i;
  });
}

TEST_F(FrameLoopTest, ErrorOfACallIsThatOfAllInIt) {
  frames_.pieces = {Tokens(20, 3)};
  const auto first = this->piece();
  const auto second = this->piece();
  const auto idle = this->piece();
  loop_.add(*first);
  loop_.add(*second);
  loop_.add(*idle);
  loop_.allow(*second, 3);
  script_.fail("complete", 0);
  loop_.make(*first, 1, 1, [] { return false; });
  EXPECT_FALSE(loop_.status(*first).ok());
  EXPECT_FALSE(loop_.status(*second).ok());
  EXPECT_TRUE(loop_.status(*idle).ok()) << "it was not allowed to take part";
}

/// A piece that nobody waits for rides along in calls that are made anyway, as far as it may.
TEST_F(FrameLoopTest, WhoIsAllowedRidesAlong) {
  frames_.pieces = {Tokens(30, 3)};
  const auto waited_for = this->piece();
  const auto other = this->piece();
  loop_.add(*waited_for);
  loop_.add(*other);
  loop_.allow(*other, 5);
  loop_.make(*waited_for, 8, 8, [] { return false; });
  FrameTimes times;
  EXPECT_EQ(piece_frames(loop_.take(*other, 100, times)), 5);
  EXPECT_EQ(script_.count("draw"), 8);
  EXPECT_GE(times.talker_ms, 0.0);
}

/// More than a call takes: whoever has just come is in the next one, and then takes turns.
TEST_F(FrameLoopTest, WhoComesIsInTheNextCall) {
  frames_.pieces = {Tokens(30, 3)};
  std::vector<std::unique_ptr<SpokenPiece>> pieces;
  for (int64_t i = 0; i < kMaxBatch + 3; ++i) {
    pieces.push_back(piece());
  }
  const auto add = [&](SpokenPiece& piece) {
    loop_.add(piece);
    loop_.allow(piece, 100);
  };
  SpokenPiece& newcomer = *pieces.back();
  std::for_each(pieces.begin(), pieces.end() - 1, [&](const auto& piece) { add(*piece); });
  loop_.make(*pieces.front(), 4, 4, [] { return false; });
  add(newcomer);
  FrameTimes times;
  loop_.make(*pieces.front(), 5, 5, [] { return false; });
  EXPECT_EQ(piece_frames(loop_.take(newcomer, 100, times)), 1);
  loop_.make(*pieces.front(), 6, 6, [] { return false; });
  EXPECT_EQ(piece_frames(loop_.take(newcomer, 100, times)), 0) << "others have waited longer now";
}

/// A whole call earlier than in the next one: its first token needs no step of the talker.
TEST_F(FrameLoopTest, WhoComesWhileTheTalkerReadsIsInThatCall) {
  frames_.pieces = {Tokens(30, 3)};
  std::vector<std::unique_ptr<SpokenPiece>> pieces;
  for (int64_t i = 0; i < kMaxBatch + 2; ++i) {
    pieces.push_back(piece());
  }
  SpokenPiece& first = *pieces.front();
  SpokenPiece& begun = *pieces.back();  // has a frame, and would need a step
  loop_.add(begun);
  loop_.make(begun, 1, 1, [] { return false; });
  loop_.add(first);
  bool has_come = false;
  script_.on_call = [&](const std::string& call, int64_t) {
    if (call == "draw" && !std::exchange(has_come, true)) {
      std::for_each(pieces.begin() + 1, pieces.end() - 1, [&](const auto& piece) {
        loop_.add(*piece);
        loop_.allow(*piece, 100);
      });
      pieces[1]->wanted_frames = 1;  // It came first, and is the last of the list.
      loop_.allow(begun, 100);
    }
  };
  loop_.make(first, 1, 1, [] { return false; });
  const auto frames_of = [&](SpokenPiece& piece) {
    FrameTimes times;
    return piece_frames(loop_.take(piece, 100, times));
  };
  int64_t in_call = frames_of(*pieces[1]);
  EXPECT_EQ(in_call, 1) << "who is waited for comes first";
  std::for_each(pieces.begin() + 2, pieces.end() - 1, [&](const auto& piece) { in_call += frames_of(*piece); });
  EXPECT_EQ(in_call, kMaxBatch - 1) << "as many as one call takes";
  EXPECT_EQ(frames_of(first), 1);
  EXPECT_EQ(frames_of(begun), 1) << "no more than before";
  EXPECT_EQ(frames_.most_in_a_call, static_cast<size_t>(kMaxBatch));
}

/// Samples may be ready in the middle of a call, so others make it.
TEST_F(FrameLoopTest, WhoWaitsForFramesLeadsBeforeWhoWaitsForSamples) {
  frames_.pieces = {Tokens(30, 3)};
  const auto short_piece = piece();
  const auto long_piece = piece();
  loop_.add(*short_piece);
  loop_.add(*long_piece);
  std::atomic<bool> is_over{false};
  std::atomic<bool> is_led{false};
  std::mutex mutex;
  std::set<std::thread::id> leaders;
  script_.on_call = [&](const std::string& call, int64_t) {
    if (call == "draw") {
      const std::lock_guard<std::mutex> lock(mutex);
      leaders.insert(std::this_thread::get_id());
    }
    if (!is_led.exchange(true)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // until all others wait
    }
  };
  std::thread leader([&] { loop_.make(*short_piece, 1, 1, [] { return false; }); });
  while (!is_led) {
    std::this_thread::yield();
  }
  std::thread samples([&] { loop_.make_until([&] { return is_over.load(); }, FrameLoop::Turn::kLast); });
  const std::thread::id waits_for_samples = samples.get_id();
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  loop_.make(*long_piece, 9, 9, [] { return false; });
  is_over = true;
  loop_.wake();
  samples.join();
  leader.join();
  EXPECT_EQ(leaders.count(waits_for_samples), 0U);
  EXPECT_EQ(leaders.count(std::this_thread::get_id()), 1U);
}

TEST_F(FrameLoopTest, WaitsForWhatWakesItMeanwhile) {
  frames_.pieces = {Tokens(30, 3)};
  const auto piece = this->piece();
  loop_.add(*piece);
  loop_.allow(*piece, 2);
  std::atomic<bool> is_over{false};
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    is_over = true;
    loop_.wake();
  });
  EXPECT_GT(loop_.make_until([&] { return is_over.load(); }), 0.0);
  other.join();
  FrameTimes times;
  EXPECT_EQ(piece_frames(loop_.take(*piece, 100, times)), 2) << "what was allowed was made while it waited";
}

TEST_F(FrameLoopTest, RemoveWaitsForTheCall) {
  frames_.pieces = {Tokens(30, 3)};
  const auto waited_for = this->piece();
  auto other = this->piece();
  loop_.add(*waited_for);
  loop_.add(*other);
  loop_.allow(*other, 100);
  std::atomic<bool> is_called{false};
  std::atomic<bool> is_over{false};
  script_.on_call = [&](const std::string& call, int64_t) {
    if (call == "complete" && !is_called.exchange(true)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      is_over = true;
    }
  };
  std::thread leader([&] { loop_.make(*waited_for, 3, 3, [] { return false; }); });
  while (!is_called) {
    std::this_thread::yield();
  }
  loop_.remove(*other);
  EXPECT_TRUE(is_over);
  other.reset();
  leader.join();
}

}  // namespace
}  // namespace qwen3_tts
