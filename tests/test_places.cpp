#include <algorithm>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/try.h"
#include "scripted_stages.h"
#include "session/speech.h"
#include "tiny_contract.h"

/// Utterances over a frame maker with few places, as a GPU has them: a session always gets one, pieces ahead take what
/// is left, and all say what they say alone.
namespace qwen3_tts {
namespace {

using testing::Script;
using testing::ScriptedDecoder;
using testing::ScriptedFrames;
using testing::ScriptedRows;
using Samples = std::vector<float>;
using Tokens = std::vector<int64_t>;

constexpr int64_t kPieces = 6;

class PlacesTest : public ::testing::Test {
 protected:
  PlacesTest() {
    options_.ahead = 3;
    options_.chunk_frames = 2;
    frames_.pieces = std::vector<Tokens>(kPieces, Tokens{1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 1, 1, eos_});
    frames_.pieces[1] = {3, 4, eos_};
    const auto speech = make_speech();
    expected_ = finish(*speech, begin(*speech));
  }

  std::unique_ptr<Speech> make_speech() {
    return Speech::create({metadata_, rows_, frames_, loop_, decoder_, nullptr, prefixes_}).value();
  }

  Status start(Speech& speech) {
    UtterancePlan plan;
    plan.pieces = std::vector<Piece>(kPieces, Piece{Tokens(3, 40)});
    const auto voice = std::make_shared<Voice>();
    voice->x_vector = {1, 2, 3};
    plan.request.voice = voice;
    RETURN_IF_ERROR(speech.clear());
    return speech.start(std::move(plan), resolve_options(options_, metadata_).value());
  }

  /// What is heard until some piece ahead waits for its turn.
  Samples begin(Speech& speech) {
    EXPECT_TRUE(start(speech).ok());
    return hear(speech, 20);
  }

  Samples hear(Speech& speech, int64_t num_frames) const {
    Samples heard;
    while (!speech.is_finished() && static_cast<int64_t>(heard.size()) < num_frames * metadata_.samples_per_frame) {
      const AudioChunk chunk = speech.next().value();
      heard.insert(heard.end(), chunk.samples, chunk.samples + chunk.num_samples);
    }
    return heard;
  }

  Samples finish(Speech& speech, Samples heard) const {
    const Samples rest = hear(speech, INT32_MAX);
    heard.insert(heard.end(), rest.begin(), rest.end());
    return heard;
  }

  const ModelMetadata metadata_ = testing::tiny_metadata();
  const int64_t eos_ = metadata_.codec_eos_id;
  Script script_;
  ScriptedRows rows_{script_, metadata_.hidden_size};
  ScriptedFrames frames_{script_, metadata_};
  ScriptedDecoder decoder_{script_, metadata_};
  PrefixCache prefixes_{0};
  FrameLoop loop_{frames_, metadata_, 4};
  SynthesisOptions options_;
  Samples expected_;  ///< With places for all.
};

TEST_F(PlacesTest, PiecesAheadTakeWhatIsFree) {
  for (const int64_t num_places : {1, 2, 3}) {
    frames_.num_places = num_places;
    frames_.most_in_a_call = 0;
    const auto speech = make_speech();
    EXPECT_EQ(finish(*speech, begin(*speech)), expected_) << num_places;
    EXPECT_EQ(frames_.most_in_a_call, static_cast<size_t>(num_places));
    EXPECT_TRUE(frames_.placed.empty());
  }
}

/// All in this thread: who begins makes the frames of the piece that has the place.
TEST_F(PlacesTest, WhoBeginsWaitsForAPieceAhead) {
  frames_.num_places = 2;
  const auto first = make_speech();
  Samples heard = begin(*first);
  EXPECT_EQ(frames_.placed.size(), 2U) << "the piece that is heard, and one ahead";
  const auto second = make_speech();
  const Samples others = begin(*second);
  EXPECT_EQ(finish(*first, std::move(heard)), expected_);
  EXPECT_EQ(finish(*second, others), expected_);
  EXPECT_TRUE(frames_.placed.empty());
}

/// A piece ahead of somebody else would be a gap in what is heard.
TEST_F(PlacesTest, WhoSpeaksKeepsAPlaceFromPieceToPiece) {
  frames_.num_places = 2;
  options_.ahead = 0;
  const auto first = make_speech();
  ASSERT_TRUE(start(*first).ok());
  Samples heard = hear(*first, 2);
  options_.ahead = 3;
  const auto second = make_speech();
  ASSERT_TRUE(start(*second).ok());
  Samples others = hear(*second, 2);
  const std::set<const FrameStream*> placed = frames_.placed;
  EXPECT_EQ(placed.size(), 2U);
  while (true) {
    const Samples more = hear(*first, 1);
    if (first->is_finished()) {
      heard.insert(heard.end(), more.begin(), more.end());
      break;
    }
    heard.insert(heard.end(), more.begin(), more.end());
    const Samples beside = hear(*second, 1);
    others.insert(others.end(), beside.begin(), beside.end());
    ASSERT_EQ(frames_.placed, placed);
  }
  EXPECT_EQ(heard, expected_);
  EXPECT_EQ(finish(*second, std::move(others)), expected_);
}

TEST_F(PlacesTest, WhoWaitsForAPlaceMayBeStopped) {
  frames_.num_places = 2;
  const auto first = make_speech();
  Samples heard = begin(*first);
  const auto second = make_speech();
  script_.on_call = [&](const std::string& call, int64_t) {
    if (call == "draw") {
      second->stop();
    }
  };
  ASSERT_TRUE(start(*second).ok());
  EXPECT_TRUE(hear(*second, 1).empty());
  EXPECT_EQ(second->stats().finish_reason, FinishReason::kStopped);
  second->forget_stop();
  script_.on_call = nullptr;
  EXPECT_EQ(finish(*first, std::move(heard)), expected_);
  EXPECT_EQ(finish(*second, begin(*second)), expected_) << "the next utterance";
}

/// Whether its piece that breaks is heard or ahead.
TEST_F(PlacesTest, WhoBreaksLeavesItsPlace) {
  frames_.num_places = 2;
  frames_.pieces[3].insert(frames_.pieces[3].begin(), 8, 2);
  frames_.broken_at = 15;
  options_.seed = frames_.broken_seed + 1;
  const auto other = make_speech();
  const Samples whole = finish(*other, begin(*other));
  const auto broken = make_speech();
  options_.seed = frames_.broken_seed;
  Samples heard = begin(*broken);
  options_.seed = frames_.broken_seed + 1;
  EXPECT_EQ(finish(*other, begin(*other)), whole);
  while (true) {
    const auto chunk = broken->next();
    if (!chunk.ok()) {
      EXPECT_EQ(chunk.error().message, "logits are not numbers");
      break;
    }
    heard.insert(heard.end(), chunk->samples, chunk->samples + chunk->num_samples);
  }
  EXPECT_TRUE(std::equal(heard.begin(), heard.end(), whole.begin()));
  EXPECT_GT(heard.size(), expected_.size() / 2);
  EXPECT_TRUE(frames_.placed.empty());
}

TEST_F(PlacesTest, AsManySessionsAsPlacesSpeakAtOnce) {
  frames_.num_places = 3;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      const auto speech = make_speech();
      for (int round = 0; round < 20; ++round) {
        EXPECT_EQ(finish(*speech, begin(*speech)), expected_);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(frames_.placed.empty());
}

}  // namespace
}  // namespace qwen3_tts
