#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/synthesis_session.h>

#include "audio/leading_silence.h"
#include "session_testing.h"
#include "test_models.h"

/// A text in several pieces, and speech that misses its end.
namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::MemorySink;
using testing::must;
using testing::request;
using testing::Samples;
using testing::some_voice;
using testing::speak;
using testing::Utterance;

constexpr int64_t kBudget = 10;
constexpr int64_t kSentenceTokens = 40;  // Two of them are too many for a piece.

/// A digit is one token, and so is the mark behind them.
std::string sentence(char digit) { return std::string(kSentenceTokens - 1, digit) + "!"; }

/// Five pieces, the second and the fourth of which are the same.
const std::string kText = sentence('1') + " " + sentence('2') + "\n\n" + sentence('3') + " " + sentence('2') + " 4.";
const std::vector<std::string> kPieces = {sentence('1'), sentence('2'), sentence('3'), sentence('2') + " 4."};
const auto kNumPieces = static_cast<int64_t>(kPieces.size());

SynthesisOptions split(uint64_t seed = 1) {
  SynthesisOptions options;
  options.long_text = LongText::kSplit;
  options.paragraph_pause = 0;
  options.frame_budget = kBudget;
  options.seed = seed;
  return options;
}

SynthesisOptions greedy() {
  SynthesisOptions options = split();
  options.temperature = options.subtalker_temperature = 0.0F;
  return options;
}

class LongTextTest : public ::testing::Test {
 protected:
  static void TearDownTestSuite() {
    delete engine_;
    engine_ = nullptr;
  }

  void SetUp() override {
    if (engine_ == nullptr) {
      engine_ = testing::make_engine("tiny-base").release();
    }
    session_ = must(engine_->create_session());
  }

  const ModelMetadata& metadata() const { return engine_->metadata(); }

  static Engine* engine_;
  std::unique_ptr<SynthesisSession> session_;
};

Engine* LongTextTest::engine_ = nullptr;

// ---------------------------------------------------------------------------------------------------------------------
// Pieces

TEST_F(LongTextTest, PiecesAreSpokenOneAfterTheOther) {
  const Utterance utterance = speak(*session_, request(kText), split());
  EXPECT_EQ(utterance.stats.pieces, kNumPieces);
  EXPECT_EQ(utterance.stats.text_tokens, kNumPieces * kSentenceTokens + 3);  // " 4."
  EXPECT_EQ(utterance.stats.frames, kNumPieces * kBudget);
  EXPECT_EQ(utterance.stats.cut_pieces, kNumPieces);
  EXPECT_EQ(utterance.stats.finish_reason, FinishReason::kFrameBudget);
  EXPECT_EQ(utterance.tokens.size(), static_cast<size_t>(kNumPieces * (kBudget + 1)));
  EXPECT_EQ(utterance.codes.size(), static_cast<size_t>(kNumPieces * kBudget * metadata().num_code_groups));
  EXPECT_EQ(utterance.samples.size(), static_cast<size_t>(kNumPieces * kBudget * metadata().samples_per_frame));
}

TEST_F(LongTextTest, PieceSaysWhatItsTextAloneSays) {
  for (const TextLayout layout : {TextLayout::kStreaming, TextLayout::kFull}) {
    SynthesisOptions options = greedy();
    options.text_layout = layout;
    std::vector<int64_t> codes;
    for (const std::string& piece : kPieces) {
      const Utterance alone = speak(*session_, request(piece), options);
      EXPECT_EQ(alone.stats.pieces, 1);
      codes.insert(codes.end(), alone.codes.begin(), alone.codes.end());
    }
    EXPECT_EQ(speak(*session_, request(kText), options).codes, codes);
  }
}

TEST_F(LongTextTest, PiecesAreOneStreamToTheCodec) {
  const Utterance utterance = speak(*session_, request(kText), split());
  MemorySink sink;
  ASSERT_TRUE(session_->decode(utterance.codes, sink).ok());
  EXPECT_EQ(sink.received, utterance.samples);
}

TEST_F(LongTextTest, EveryPieceHasRandomNumbersOfItsOwn) {
  const std::string twice = sentence('5') + " " + sentence('5');
  const Utterance utterance = speak(*session_, request(twice), split());
  ASSERT_EQ(utterance.stats.frames, 2 * kBudget);
  const auto middle = utterance.codes.begin() + static_cast<std::ptrdiff_t>(utterance.codes.size() / 2);
  const std::vector<int64_t> first(utterance.codes.begin(), middle);
  EXPECT_EQ(first, speak(*session_, request(sentence('5')), split()).codes);
  EXPECT_NE(std::vector<int64_t>(middle, utterance.codes.end()), first);
}

TEST_F(LongTextTest, ChunkSizeDoesNotChangeTheSpeech) {
  const Utterance expected = speak(*session_, request(kText), split());
  for (const auto& [first, later] : {std::pair<int64_t, int64_t>{1, 1}, {3, 7}, {100, 100}}) {
    SynthesisOptions options = split();
    options.first_chunk_frames = first;
    options.chunk_frames = later;
    SCOPED_TRACE(first);
    expect_equal(speak(*session_, request(kText), options), expected);
  }
}

/// However many there are: more bytes than the tokenizer takes.
TEST_F(LongTextTest, LeadingLineBreaksAreNoPartOfThePieces) {
  const Utterance expected = speak(*session_, request(kText), split());
  for (const size_t count : {size_t{1}, size_t{300}, size_t{17} << 20}) {
    SCOPED_TRACE(count);
    expect_equal(speak(*session_, request(std::string(count, '\n') + kText), split()), expected);
  }
}

TEST_F(LongTextTest, ShortTextIsSpokenAsEver) {
  SynthesisOptions whole = split();
  whole.long_text = LongText::kError;
  const std::string text = "\n Not long. At all,  is it?\n";
  expect_equal(speak(*session_, request(text), split()), speak(*session_, request(text), whole));
  const std::string longest(56, '1');
  EXPECT_EQ(speak(*session_, request(longest), split()).stats.pieces, 1);
  EXPECT_EQ(speak(*session_, request(longest + "1"), split()).stats.pieces, 2);
}

TEST_F(LongTextTest, LongTextIsSplitUnlessItIsToBeSpokenInOneGo) {
  SynthesisOptions options = split();
  options.long_text = SynthesisOptions().long_text;
  expect_equal(speak(*session_, request(kText), options), speak(*session_, request(kText), split()));
  options.long_text = LongText::kError;
  const SynthesisStats stats = speak(*session_, request(kText), options).stats;
  EXPECT_EQ(stats.pieces, 1);
  EXPECT_EQ(stats.frames, kBudget);
}

TEST_F(LongTextTest, ParagraphsAreSetApartBySilenceAlone) {
  const Utterance without = speak(*session_, request(kText), split());
  const auto paragraph = static_cast<std::ptrdiff_t>(2 * kBudget * metadata().samples_per_frame);
  for (const auto& [pause, num_samples] : {std::pair(SynthesisOptions().paragraph_pause, 9600), {0.01, 240}}) {
    Utterance expected = without;
    expected.samples.insert(expected.samples.begin() + paragraph, static_cast<size_t>(num_samples), 0.0F);
    SynthesisOptions options = split();
    options.paragraph_pause = pause;
    const Utterance utterance = speak(*session_, request(kText), options);
    expect_equal(utterance, expected);
    EXPECT_EQ(utterance.stats.pause_samples, num_samples);
    EXPECT_EQ(utterance.stats.samples, static_cast<int64_t>(expected.samples.size()));
    MemorySink sink;
    ASSERT_TRUE(session_->decode(utterance.codes, sink).ok());
    EXPECT_EQ(sink.received, without.samples) << "codes know no pauses";
  }
}

TEST_F(LongTextTest, OrderedPausesAreSilenceAroundThePieces) {
  SynthesisOptions options = greedy();
  SynthesisRequest marked = request("[pause 100ms]" + kPieces[0] + "<break time='0.5s'/>" + kPieces[2] + "[pause 1ms]");
  marked.markup = true;
  const Utterance utterance = speak(*session_, marked, options);
  const Utterance expected = speak(*session_, request(kPieces[0] + " " + kPieces[2]), options);
  EXPECT_EQ(utterance.codes, expected.codes);
  Samples samples(2400, 0.0F);
  const auto length = static_cast<std::ptrdiff_t>(speak(*session_, request(kPieces[0]), options).samples.size());
  const auto middle = expected.samples.begin() + length;
  samples.insert(samples.end(), expected.samples.begin(), middle);
  samples.insert(samples.end(), 12000, 0.0F);
  samples.insert(samples.end(), middle, expected.samples.end());
  samples.insert(samples.end(), 24, 0.0F);
  EXPECT_EQ(utterance.samples, samples);
  EXPECT_EQ(utterance.stats.pause_samples, 14424);
  EXPECT_LE(utterance.stats.ttfa_ms, utterance.stats.total_ms);
}

TEST_F(LongTextTest, StopInAPauseIsNotWaitedFor) {
  SynthesisRequest marked = request(kPieces[0] + "[pause 60s]" + kPieces[2]);
  marked.markup = true;
  MemorySink sink;
  sink.session = session_.get();
  sink.stop_at_write = 8;  // Ten frames come in four.
  const SynthesisStats stats = must(session_->synthesize(marked, split(), sink));
  EXPECT_EQ(stats.finish_reason, FinishReason::kStopped);
  EXPECT_EQ(stats.frames, kBudget);
  EXPECT_GT(stats.pause_samples, 0);
  EXPECT_LT(stats.pause_samples, 60 * metadata().sample_rate);
  EXPECT_EQ(stats.samples, stats.frames * metadata().samples_per_frame + stats.pause_samples);
}

TEST_F(LongTextTest, LaterPiecesDoNotReadThePrefixAgain) {
  const auto engine = testing::make_engine("tiny-base");
  const auto session = must(engine->create_session());
  const SynthesisStats first = speak(*session, request(kText), split()).stats;
  const SynthesisStats second = speak(*session, request(kText), split()).stats;
  EXPECT_GT(first.cached_rows, 0);
  EXPECT_EQ(second.cached_rows * (kNumPieces - 1), first.cached_rows * kNumPieces);
  EXPECT_EQ(second.prompt_rows, first.prompt_rows);
}

TEST_F(LongTextTest, SilenceIsTrimmedBeforeTheFirstPieceOnly) {
  SynthesisOptions options = split();
  Samples expected = speak(*session_, request(kText), options).samples;
  LeadingSilence(metadata().sample_rate).trim(expected);
  options.trim_silence = true;
  EXPECT_EQ(speak(*session_, request(kText), options).samples, expected);
}

TEST_F(LongTextTest, InContextVoiceSpeaksEveryPiece) {
  for (const TextLayout layout : {TextLayout::kStreaming, TextLayout::kFull}) {
    SynthesisOptions options = greedy();
    options.text_layout = layout;
    SynthesisRequest in_context = request(kText);
    in_context.voice = some_voice(30, metadata());
    const Utterance utterance = speak(*session_, in_context, options);
    std::vector<int64_t> codes;
    for (const std::string& piece : kPieces) {
      in_context.text = piece;
      const Utterance alone = speak(*session_, in_context, options);
      codes.insert(codes.end(), alone.codes.begin(), alone.codes.end());
    }
    EXPECT_EQ(utterance.codes, codes);
    // The codec decoder hears the recording once, and then all pieces.
    std::vector<int64_t> all = in_context.voice->codes;
    all.insert(all.end(), codes.begin(), codes.end());
    MemorySink sink;
    ASSERT_TRUE(session_->decode(all, sink).ok());
    const auto cut = sink.received.begin() + 30 * metadata().samples_per_frame;
    EXPECT_EQ(Samples(cut, sink.received.end()), utterance.samples);
  }
}

TEST_F(LongTextTest, StopEndsTheUtteranceInAnyPiece) {
  const Utterance whole = speak(*session_, request(kText), split());
  MemorySink sink;
  sink.session = session_.get();
  sink.stop_at_write = 6;  // After 1 + 1 + 2 + 3 * 4 frames: in the second piece.
  const SynthesisStats stats = must(session_->synthesize(request(kText), split(), sink));
  EXPECT_EQ(stats.finish_reason, FinishReason::kStopped);
  EXPECT_EQ(stats.frames, 16);
  EXPECT_EQ(stats.cut_pieces, 1);
  EXPECT_TRUE(std::equal(sink.received.begin(), sink.received.end(), whole.samples.begin()));
  expect_equal(speak(*session_, request(kText), split()), whole);
}

TEST_F(LongTextTest, FailingSinkEndsTheUtteranceInAnyPiece) {
  const Utterance whole = speak(*session_, request(kText), split());
  MemorySink sink;
  sink.fail_at_write = 5;
  const auto stats = session_->synthesize(request(kText), split(), sink);
  ASSERT_FALSE(stats.ok());
  EXPECT_EQ(stats.error().message, "the disk is full");
  EXPECT_FALSE(session_->start(request(kText), split()).ok());
  session_->reset();
  expect_equal(speak(*session_, request(kText), split()), whole);
}

TEST_F(LongTextTest, TextLongerThanTheCapacityIsSpoken) {
  std::string text;
  while (text.size() < 2 * static_cast<size_t>(metadata().max_seq_len)) {
    text += sentence('7') + " ";
  }
  SynthesisOptions options = split();
  options.frame_budget = 1;
  const SynthesisStats stats = speak(*session_, request(text), options).stats;
  EXPECT_GT(stats.text_tokens, metadata().max_seq_len);
  EXPECT_EQ(stats.frames, stats.pieces);
  options.long_text = LongText::kError;
  const Status status = engine_->check(request(text), options);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("have it split (long_text)"), std::string::npos) << status.error().message;
}

TEST_F(LongTextTest, InvalidTextIsRefusedWhereItIs) {
  const Status status = engine_->check(request(kText + "\xFF"), split());
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("at byte " + std::to_string(kText.size())), std::string::npos)
      << status.error().message;
  EXPECT_FALSE(engine_->check(request(" \n\n "), split()).ok());
}

TEST_F(LongTextTest, PieceWithoutRoomIsRefused) {
  SynthesisRequest in_context = request(kText);
  in_context.voice = some_voice(metadata().max_seq_len, metadata());
  const Status status = engine_->check(in_context, split());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(status.error().message.find("a piece of the text makes"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("recording of the voice"), std::string::npos) << status.error().message;
}

// ---------------------------------------------------------------------------------------------------------------------
// Limits

TEST_F(LongTextTest, PieceThatCannotBeCutIsNamed) {
  std::string text = kText + " Then a";
  const size_t at = text.size() - 1;
  for (int64_t i = 0; i < metadata().max_seq_len; ++i) {
    text += "\u0301\u0323";
  }
  const auto status = session_->start(request(text), split());
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  const std::string& message = status.error().message;
  EXPECT_NE(message.find("one character that cannot be cut (U+0061 U+0301 U+0323 and "), std::string::npos) << message;
  EXPECT_NE(message.find(" more at byte " + std::to_string(at) + "), makes "), std::string::npos) << message;
}

TEST_F(LongTextTest, PieceWithNothingToSayIsLeftOut) {
  std::string invisible;
  while (invisible.size() < kSentenceTokens) {
    invisible += "\u200B";
  }
  EXPECT_EQ(speak(*session_, request(kPieces[0] + "\n\n" + invisible + "\n\n" + kPieces[1]), split()).stats.pieces, 2);
}

TEST_F(LongTextTest, LimitOfFramesCountsOverAllPieces) {
  for (const int64_t max_frames : {1, 9, 15, 39}) {
    SynthesisOptions options = split();
    options.max_frames = max_frames;
    const SynthesisStats stats = speak(*session_, request(kText), options).stats;
    EXPECT_EQ(stats.frames, max_frames);
    EXPECT_EQ(stats.cut_pieces, max_frames / kBudget + 1);
    EXPECT_EQ(stats.finish_reason, FinishReason::kMaxNewTokens);
  }
}

TEST_F(LongTextTest, PieceThatCouldNotSpeakIsNotBegun) {
  SynthesisOptions options = split();
  options.max_frames = 2 * kBudget;
  const Utterance utterance = speak(*session_, request(kText), options);
  EXPECT_EQ(utterance.stats.frames, 2 * kBudget);
  EXPECT_EQ(utterance.tokens.size(), static_cast<size_t>(2 * (kBudget + 1)));
  EXPECT_EQ(utterance.stats.finish_reason, FinishReason::kMaxNewTokens);
}

TEST_F(LongTextTest, SmallestLimitCounts) {
  const auto end = [&](int64_t budget, int64_t max_frames) {
    SynthesisOptions options;
    options.frame_budget = budget;
    options.max_frames = max_frames;
    const SynthesisStats stats = speak(*session_, request("Limits."), options).stats;
    return std::pair(stats.frames, stats.finish_reason);
  };
  EXPECT_EQ(end(7, 8), std::pair(int64_t{7}, FinishReason::kFrameBudget));
  EXPECT_EQ(end(8, 7), std::pair(int64_t{7}, FinishReason::kMaxNewTokens));
  EXPECT_EQ(end(7, 7), std::pair(int64_t{7}, FinishReason::kMaxNewTokens));
  EXPECT_EQ(end(INT64_MAX, 7), std::pair(int64_t{7}, FinishReason::kMaxNewTokens));
}

}  // namespace
}  // namespace qwen3_tts
