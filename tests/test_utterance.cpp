#include "session/utterance.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tiny_contract.h"

/// The bookkeeping alone: a test plays the model.
namespace qwen3_tts {
namespace {

using Next = Utterance::Next;
using Tokens = std::vector<int64_t>;

class UtteranceTest : public ::testing::Test {
 protected:
  UtteranceTest() { options_.frame_budget = 0; }

  /// Of pieces with so many text tokens each.
  Utterance utterance(const std::vector<size_t>& piece_sizes) {
    UtterancePlan plan;
    for (const size_t size : piece_sizes) {
      plan.pieces.push_back({Tokens(size, 40)});
    }
    return Utterance(std::move(plan), resolve_options(options_, metadata_).value(), metadata_);
  }

  /// Of a text that is still being written.
  Utterance open_utterance() {
    UtterancePlan plan;
    plan.is_open = true;
    return Utterance(std::move(plan), resolve_options(options_, metadata_).value(), metadata_);
  }

  /// Draws code 1 until the piece ends, at most `most` times; what then comes.
  Next speak_piece(Utterance& utterance, int64_t most = 1000) {
    utterance.begin_piece();
    Next next = Next::kFrame;
    for (int64_t i = 0; next == Next::kFrame && i < most; ++i) {
      next = utterance.accept_token(1);
      if (next == Next::kFrame) {
        utterance.accept_codes(Tokens(4, 1).data(), 1);
      }
    }
    return next;
  }

  const ModelMetadata metadata_ = testing::tiny_metadata();
  const int64_t eos_ = metadata_.codec_eos_id;
  SynthesisOptions options_;
};

TEST_F(UtteranceTest, EndTokenEndsItAndBecomesNoFrame) {
  Utterance utterance = this->utterance({3});
  utterance.begin_piece();
  for (const int64_t token : {5, 6}) {
    ASSERT_EQ(utterance.accept_token(token), Next::kFrame);
    utterance.accept_codes(Tokens{token, 1, 2, 3}.data(), 1);
    EXPECT_FALSE(utterance.has_ended());
  }
  EXPECT_EQ(utterance.accept_token(eos_), Next::kEnd);
  EXPECT_TRUE(utterance.has_ended());
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kEos);
  EXPECT_EQ(utterance.num_frames(), 2);
  EXPECT_EQ(utterance.tokens(), (Tokens{5, 6, eos_}));
  EXPECT_EQ(utterance.codes(), (Tokens{5, 1, 2, 3, 6, 1, 2, 3}));
  EXPECT_EQ(utterance.num_cut_pieces(), 0);
}

TEST_F(UtteranceTest, EndTokenAtOnceIsAnUtteranceWithoutFrames) {
  Utterance utterance = this->utterance({3});
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kEnd);
  EXPECT_EQ(utterance.num_frames(), 0);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kEos);
}

TEST_F(UtteranceTest, EveryLimitEndsIt) {
  const auto end = [&](const std::vector<size_t>& sizes) {
    Utterance utterance = this->utterance(sizes);
    EXPECT_EQ(speak_piece(utterance), Next::kEnd);
    EXPECT_EQ(utterance.tokens().size(), static_cast<size_t>(utterance.num_frames()) + 1);
    EXPECT_EQ(utterance.num_cut_pieces(), 1);
    return std::pair(utterance.num_frames(), utterance.finish_reason());
  };
  // Full layout: three role rows, five more of the prefix, the body, two more; 64 positions in all.
  EXPECT_EQ(end({3}).second, FinishReason::kCapacity);
  EXPECT_EQ(end({10}).first, end({3}).first - 7);
  options_.max_new_tokens = 9;
  EXPECT_EQ(end({3}), std::pair(int64_t{8}, FinishReason::kMaxNewTokens));
  options_.frame_budget = 5;
  EXPECT_EQ(end({3}), std::pair(int64_t{5}, FinishReason::kFrameBudget));
  options_.max_frames = 4;
  EXPECT_EQ(end({3}), std::pair(int64_t{4}, FinishReason::kMaxNewTokens));
  options_.max_frames = 5;
  EXPECT_EQ(end({3}), std::pair(int64_t{5}, FinishReason::kMaxNewTokens)) << "of two equal limits the caller's counts";
}

TEST_F(UtteranceTest, CapacityLeavesAPositionForEveryFrame) {
  Utterance utterance = this->utterance({3});
  const PieceStart start = utterance.begin_piece();
  EXPECT_EQ(start.max_tokens, metadata_.max_seq_len - static_cast<int64_t>(start.prompt.rows.size()));
}

TEST_F(UtteranceTest, BudgetFollowsTheTextUnlessItIsGiven) {
  options_.frame_budget.reset();
  options_.max_new_tokens = 8192;
  ModelMetadata roomy = metadata_;
  roomy.max_seq_len = 10000;
  UtterancePlan plan;
  plan.pieces = {{Tokens(6, 40)}};
  const auto limit = [&](const UtterancePlan& given) {
    Utterance utterance(given, resolve_options(options_, roomy).value(), roomy);
    return utterance.begin_piece().max_tokens - 1;
  };
  EXPECT_EQ(limit(plan), 75 + 6 * 12);
  const auto voice = std::make_shared<Voice>();
  voice->x_vector = {0, 0, 0};
  voice->text_ids = {30, 31, 32, 33};
  plan.request.voice = voice;
  plan.request.is_in_context = true;
  voice->codes.assign(48, 1);  // Three frames for each of its text ids.
  EXPECT_EQ(limit(plan), 75 + 6 * 12);
  voice->codes.assign(80, 1);
  EXPECT_EQ(limit(plan), 75 + 6 * 3 * 5);
  plan.request.is_in_context = false;
  EXPECT_EQ(limit(plan), 75 + 6 * 12);
  options_.frame_budget = 7;
  EXPECT_EQ(limit(plan), 7);
  options_.frame_budget = 0;
  EXPECT_EQ(limit(plan), 8191);
}

TEST_F(UtteranceTest, PiecesFollowEachOther) {
  Utterance utterance = this->utterance({3, 4, 5});
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(1), Next::kFrame);
  utterance.accept_codes(Tokens{1, 1, 1, 1}.data(), 1);
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  EXPECT_FALSE(utterance.has_ended());
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kEnd);
  EXPECT_EQ(utterance.tokens(), (Tokens{1, eos_, eos_, eos_}));
  EXPECT_EQ(utterance.num_frames(), 1);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kEos);
}

TEST_F(UtteranceTest, FirstLimitThatCutAPieceIsTheReason) {
  options_.frame_budget = 2;
  Utterance utterance = this->utterance({3, 3, 3});
  EXPECT_EQ(speak_piece(utterance), Next::kPiece);
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kEnd);
  EXPECT_EQ(utterance.num_cut_pieces(), 1);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kFrameBudget);
}

TEST_F(UtteranceTest, GivenLimitCountsOverAllPieces) {
  options_.frame_budget = 4;
  options_.max_frames = 6;
  Utterance utterance = this->utterance({3, 3, 3});
  EXPECT_EQ(speak_piece(utterance), Next::kPiece);
  EXPECT_EQ(utterance.num_frames(), 4);
  EXPECT_EQ(speak_piece(utterance), Next::kEnd);
  EXPECT_EQ(utterance.num_frames(), 6);
  EXPECT_EQ(utterance.num_cut_pieces(), 2);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kMaxNewTokens);
}

TEST_F(UtteranceTest, PieceThatCouldNotSpeakIsNotBegun) {
  options_.frame_budget = 4;
  options_.max_frames = 8;
  Utterance utterance = this->utterance({3, 3, 3});
  EXPECT_EQ(speak_piece(utterance), Next::kPiece);
  EXPECT_EQ(speak_piece(utterance), Next::kEnd);
  EXPECT_EQ(utterance.num_frames(), 8);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kMaxNewTokens);
}

TEST_F(UtteranceTest, CheckpointsLimitIsOneOfEachPiece) {
  ModelMetadata metadata = metadata_;
  metadata.max_new_tokens = 5;
  UtterancePlan plan;
  plan.pieces = {{Tokens(3, 40)}, {Tokens(3, 40)}};
  Utterance utterance(std::move(plan), resolve_options(options_, metadata).value(), metadata);
  EXPECT_EQ(speak_piece(utterance), Next::kPiece);
  EXPECT_EQ(speak_piece(utterance), Next::kEnd);
  EXPECT_EQ(utterance.num_frames(), 8);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kMaxNewTokens);
}

TEST_F(UtteranceTest, PausesComeBeforeTheirPiecesAndAfterTheLastOne) {
  UtterancePlan plan;
  plan.pieces = {{Tokens(3, 40), 100}, {Tokens(3, 40)}, {Tokens(3, 40), 5}};
  plan.final_pause = 7;
  Utterance utterance(plan, resolve_options(options_, metadata_).value(), metadata_);
  EXPECT_EQ(utterance.pause_samples(), 100);
  EXPECT_EQ(utterance.take_pause(60), 60);
  EXPECT_EQ(utterance.take_pause(60), 40);
  EXPECT_EQ(utterance.take_pause(60), 0);
  utterance.begin_piece();
  EXPECT_FALSE(utterance.is_between_pieces());
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  EXPECT_TRUE(utterance.is_between_pieces());
  EXPECT_EQ(utterance.pause_samples(), 0);
  utterance.begin_piece();
  EXPECT_FALSE(utterance.is_between_pieces());
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  EXPECT_EQ(utterance.take_pause(60), 5);
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kEnd);
  EXPECT_TRUE(utterance.has_ended());
  EXPECT_EQ(utterance.pause_samples(), 7);
  utterance.finish(FinishReason::kStopped);
  EXPECT_EQ(utterance.pause_samples(), 0) << "who stopped it wants no silence";
}

TEST_F(UtteranceTest, PauseBeforeWhatALimitLeavesOutIsLeftOut) {
  options_.max_frames = 4;
  UtterancePlan plan;
  plan.pieces = {{Tokens(3, 40)}, {Tokens(3, 40), 5}};
  plan.final_pause = 7;
  Utterance utterance(plan, resolve_options(options_, metadata_).value(), metadata_);
  EXPECT_EQ(speak_piece(utterance), Next::kEnd);
  EXPECT_EQ(utterance.pause_samples(), 0);
}

TEST_F(UtteranceTest, OpenTextNeedsMoreUntilItIsClosed) {
  Utterance utterance = open_utterance();
  EXPECT_TRUE(utterance.needs_text());
  EXPECT_FALSE(utterance.has_ended());
  utterance.add_piece({Tokens(3, 40), 100});
  utterance.add_piece({Tokens(3, 40), 5});
  EXPECT_FALSE(utterance.needs_text());
  EXPECT_EQ(utterance.take_pause(200), 100);
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  EXPECT_EQ(utterance.take_pause(200), 5);
  utterance.begin_piece();
  EXPECT_EQ(utterance.accept_token(eos_), Next::kPiece);
  EXPECT_TRUE(utterance.needs_text());
  EXPECT_EQ(utterance.pause_samples(), 0);
  utterance.add_piece({Tokens(3, 40), 9});
  EXPECT_EQ(utterance.take_pause(200), 9);
  utterance.begin_piece();
  utterance.close_text(7);
  EXPECT_FALSE(utterance.needs_text());
  EXPECT_EQ(utterance.accept_token(eos_), Next::kEnd);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kEos);
  EXPECT_EQ(utterance.pause_samples(), 7);
}

TEST_F(UtteranceTest, ClosingEndsItWhenAllIsSpoken) {
  options_.frame_budget = 2;
  Utterance utterance = open_utterance();
  utterance.add_piece({Tokens(3, 40)});
  EXPECT_EQ(speak_piece(utterance), Next::kPiece);
  utterance.close_text(7);
  EXPECT_TRUE(utterance.has_ended());
  EXPECT_FALSE(utterance.needs_text());
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kFrameBudget);
  EXPECT_EQ(utterance.pause_samples(), 7);
  utterance.close_text(7);
  EXPECT_TRUE(utterance.has_ended());
}

TEST_F(UtteranceTest, LimitEndsAnOpenText) {
  options_.max_frames = 4;
  Utterance utterance = open_utterance();
  utterance.add_piece({Tokens(3, 40)});
  EXPECT_EQ(speak_piece(utterance), Next::kEnd);
  EXPECT_EQ(utterance.finish_reason(), FinishReason::kMaxNewTokens);
  EXPECT_FALSE(utterance.needs_text());
}

TEST_F(UtteranceTest, CodesHaveNoPauses) {
  options_.codes_only = true;
  UtterancePlan plan;
  plan.pieces = {{Tokens(3, 40), 100}, {Tokens(3, 40), 5}};
  plan.final_pause = 7;
  Utterance utterance(plan, resolve_options(options_, metadata_).value(), metadata_);
  for (const Next next : {Next::kPiece, Next::kEnd}) {
    EXPECT_EQ(utterance.pause_samples(), 0);
    utterance.begin_piece();
    EXPECT_EQ(utterance.accept_token(eos_), next);
  }
  EXPECT_EQ(utterance.pause_samples(), 0);
}

TEST_F(UtteranceTest, PiecesAheadStartAsTheyDoWhenTheyAreBegun) {
  Utterance utterance = this->utterance({3, 5, 4});
  const PieceStart ahead = utterance.start_of_piece(2);
  EXPECT_EQ(ahead.index, 2U);
  EXPECT_EQ(utterance.num_pieces_left(), 3U) << "none is begun";
  speak_piece(utterance);
  speak_piece(utterance);
  EXPECT_EQ(utterance.num_pieces_left(), 1U);
  const PieceStart begun = utterance.begin_piece();
  EXPECT_EQ(begun.index, ahead.index);
  EXPECT_EQ(begun.prompt.rows.size(), ahead.prompt.rows.size());
  EXPECT_LE(begun.max_tokens, ahead.max_tokens);
}

}  // namespace
}  // namespace qwen3_tts
