#include <qwen3_tts/synthesis_session.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "audio/leading_silence.h"
#include "program/mapped_tensor.h"
#include "program/program.h"
#include "session_testing.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::MemorySink;
using testing::must;
using testing::options;
using testing::request;
using testing::Samples;
using testing::some_codes;
using testing::some_voice;
using testing::speak;
using testing::Utterance;

class SynthesisSessionTest : public ::testing::Test {
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

  /// A text in one go.
  static SynthesisOptions in_one_go(TextLayout layout, int64_t max_new_tokens) {
    SynthesisOptions given = options(max_new_tokens);
    given.text_layout = layout;
    given.long_text = LongText::kError;
    return given;
  }

  /// Text whose prompt has `num_rows` rows in full layout: a digit is one token.
  std::string text_of_rows(int64_t num_rows) {
    const SynthesisOptions full = in_one_go(TextLayout::kFull, 1);
    const int64_t rows_of_one = speak(*session_, request("1"), full).stats.prompt_rows;
    return std::string(static_cast<size_t>(num_rows - rows_of_one + 1), '1');
  }

  static Engine* engine_;
  std::unique_ptr<SynthesisSession> session_;
};

Engine* SynthesisSessionTest::engine_ = nullptr;

// ---------------------------------------------------------------------------------------------------------------------
// The same speech however it is made

class CodePathTest : public ::testing::TestWithParam<const char*> {};

TEST_P(CodePathTest, StepwiseAndFusedGiveTheSame) {
  const auto fused = testing::make_engine(GetParam(), true);
  const auto stepwise = testing::make_engine(GetParam(), false);
  const auto fused_session = must(fused->create_session());
  const auto stepwise_session = must(stepwise->create_session());
  SynthesisRequest request = testing::request("Fused or not.");
  if (!fused->metadata().speakers.empty()) {
    request.speaker = fused->metadata().speakers.begin()->first;
  }
  SynthesisOptions greedy = options(20);
  greedy.subtalker_temperature = 0.0F;
  SynthesisOptions narrow = options(20);
  narrow.subtalker_top_k = 5;
  narrow.subtalker_top_p = 0.7F;
  for (const SynthesisOptions& given : {options(40), greedy, narrow}) {
    expect_equal(speak(*fused_session, request, given), speak(*stepwise_session, request, given));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CodePathTest, ::testing::Values("tiny-base", "tiny-customvoice", "tiny-mtp"));

TEST_F(SynthesisSessionTest, ChunkSizeDoesNotChangeTheSpeech) {
  SynthesisOptions one = options(40);
  one.first_chunk_frames = one.chunk_frames = 1;
  const Utterance expected = speak(*session_, request("Any size."), one);
  ASSERT_GT(expected.stats.frames, metadata().max_decode_frames);
  for (const auto& [first, later] : {std::pair<int64_t, int64_t>{1, 4},
                                     {3, 7},
                                     {16, 17},
                                     {100, 100},
                                     {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::max()}}) {
    SynthesisOptions given = options(40);
    given.first_chunk_frames = first;
    given.chunk_frames = later;
    SCOPED_TRACE(first);
    expect_equal(speak(*session_, request("Any size."), given), expected);
  }
}

TEST_F(SynthesisSessionTest, SameSeedSpeaksTheSameAnotherDoesNot) {
  const Utterance first = speak(*session_, request("Again."), options(20));
  speak(*session_, request("Something else in between."), options(30, 7));
  expect_equal(speak(*session_, request("Again."), options(20)), first);
  EXPECT_NE(speak(*session_, request("Again."), options(20, 43)).codes, first.codes);
}

TEST_F(SynthesisSessionTest, GreedySpeechDoesNotDependOnTheSeed) {
  SynthesisOptions greedy = options(15, 1);
  greedy.temperature = greedy.subtalker_temperature = 0.0F;
  const Utterance first = speak(*session_, request("Greedy."), greedy);
  greedy.seed = 2;
  expect_equal(speak(*session_, request("Greedy."), greedy), first);
}

TEST_F(SynthesisSessionTest, InterleavedSessionsDoNotInfluenceEachOther) {
  const Utterance first = speak(*session_, request("The first voice."), options(24, 1));
  const Utterance second = speak(*session_, request("Quite another text, longer."), options(24, 2));
  const auto other = must(engine_->create_session());
  ASSERT_TRUE(session_->start(request("The first voice."), options(24, 1)).ok());
  ASSERT_TRUE(other->start(request("Quite another text, longer."), options(24, 2)).ok());
  Samples samples[2];
  bool is_done[2] = {false, false};
  while (!is_done[0] || !is_done[1]) {
    for (int i = 0; i < 2; ++i) {
      if (is_done[i]) {
        continue;
      }
      const AudioChunk chunk = must((i == 0 ? *session_ : *other).next());
      samples[i].insert(samples[i].end(), chunk.samples, chunk.samples + chunk.num_samples);
      is_done[i] = chunk.is_last;
    }
  }
  EXPECT_EQ(samples[0], first.samples);
  EXPECT_EQ(samples[1], second.samples);
  EXPECT_EQ(session_->codes(), first.codes);
  EXPECT_EQ(other->codes(), second.codes);
}

TEST_F(SynthesisSessionTest, SessionsRunInThreads) {
  const Utterance expected = speak(*session_, request("In parallel."), options(16));
  Utterance results[2];
  std::vector<std::thread> threads;
  for (Utterance& result : results) {
    threads.emplace_back([&result] {
      const auto session = must(engine_->create_session());
      result = speak(*session, request("In parallel."), options(16));
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  expect_equal(results[0], expected);
  expect_equal(results[1], expected);
}

// ---------------------------------------------------------------------------------------------------------------------
// Frames, chunks, the end

TEST_F(SynthesisSessionTest, LastTokenBecomesNoFrame) {
  const Utterance utterance = speak(*session_, request("Count."), options(9));
  EXPECT_EQ(utterance.tokens.size(), 9U);
  EXPECT_EQ(utterance.stats.frames, 8);
  EXPECT_EQ(utterance.codes.size(), static_cast<size_t>(8 * metadata().num_code_groups));
  EXPECT_EQ(utterance.samples.size(), static_cast<size_t>(8 * metadata().samples_per_frame));
  EXPECT_EQ(utterance.stats.finish_reason, FinishReason::kMaxNewTokens);
  for (size_t frame = 0; frame < 8; ++frame) {
    EXPECT_EQ(utterance.codes[frame * static_cast<size_t>(metadata().num_code_groups)], utterance.tokens[frame]);
  }
}

TEST_F(SynthesisSessionTest, ChunksGrowToTheSizeAskedFor) {
  SynthesisOptions given = options(12);
  given.first_chunk_frames = 2;
  given.chunk_frames = 5;
  ASSERT_TRUE(session_->start(request("Chunks."), given).ok());
  std::vector<int64_t> sizes;
  int64_t next_frame = 0;
  bool is_last = false;
  while (!is_last) {
    const AudioChunk chunk = must(session_->next());
    EXPECT_EQ(chunk.first_frame, next_frame);
    EXPECT_EQ(chunk.num_samples, chunk.num_frames * metadata().samples_per_frame);
    EXPECT_EQ(chunk.sample_rate, metadata().sample_rate);
    EXPECT_TRUE(std::all_of(chunk.samples, chunk.samples + chunk.num_samples,
                            [](float sample) { return sample >= -1.0F && sample <= 1.0F; }));
    sizes.push_back(chunk.num_frames);
    next_frame += chunk.num_frames;
    is_last = chunk.is_last;
  }
  EXPECT_EQ(sizes, (std::vector<int64_t>{2, 2, 4, 3}));
}

TEST_F(SynthesisSessionTest, UtteranceWithoutFramesIsOneEmptyChunk) {
  ASSERT_TRUE(session_->start(request("Nothing."), options(1)).ok());
  const AudioChunk chunk = must(session_->next());
  EXPECT_TRUE(chunk.is_last);
  EXPECT_EQ(chunk.num_samples, 0);
  EXPECT_EQ(chunk.num_frames, 0);
  EXPECT_EQ(session_->talker_tokens().size(), 1U);
}

TEST_F(SynthesisSessionTest, PartsOfTheTimeAddUp) {
  double best_share = 0;
  // The scheduler may take the time between two parts away, but not always.
  for (int attempt = 0; attempt < 100 && best_share < 0.98; ++attempt) {
    const SynthesisStats stats = speak(*session_, request("How long does it take?"), options(20)).stats;
    const double parts = stats.load_ms + stats.prompt_ms + stats.prefill_ms + stats.talker_ms +
                         stats.code_predictor_ms + stats.decode_wait_ms + stats.sink_ms;
    EXPECT_LE(parts, stats.total_ms);
    EXPECT_GT(stats.sampler_ms, 0);
    EXPECT_LT(stats.sampler_ms, stats.talker_ms + stats.code_predictor_ms);
    EXPECT_GT(stats.ttfa_ms, 0);
    EXPECT_LE(stats.ttfa_ms, stats.total_ms);
    EXPECT_GT(stats.prompt_rows, 0);
    best_share = std::max(best_share, parts / stats.total_ms);
  }
  EXPECT_GE(best_share, 0.98);
}

TEST_F(SynthesisSessionTest, FramesAreLimitedToo) {
  SynthesisOptions limited = options(100);
  limited.max_frames = 7;
  const SynthesisStats stats = speak(*session_, request("Seven frames."), limited).stats;
  EXPECT_EQ(stats.frames, 7);
  EXPECT_EQ(stats.samples, 7 * metadata().samples_per_frame);
  EXPECT_EQ(stats.finish_reason, FinishReason::kMaxNewTokens);
}

TEST_F(SynthesisSessionTest, TrimmedSpeechIsTheSameWithoutItsSilence) {
  SynthesisOptions given = options(12);
  const Utterance whole = speak(*session_, request("Silence first."), given);
  Samples expected = whole.samples;
  LeadingSilence(metadata().sample_rate).trim(expected);
  given.trim_silence = true;
  const Utterance trimmed = speak(*session_, request("Silence first."), given);
  EXPECT_EQ(trimmed.samples, expected);
  EXPECT_EQ(trimmed.codes, whole.codes);
  EXPECT_EQ(trimmed.stats.samples, static_cast<int64_t>(expected.size()));
}

TEST_F(SynthesisSessionTest, FullPromptEndsWithCapacity) {
  const SynthesisOptions full = in_one_go(TextLayout::kFull, 100);
  const std::string text = text_of_rows(metadata().max_seq_len - 2);
  const Utterance utterance = speak(*session_, request(text), full);
  EXPECT_EQ(utterance.stats.prompt_rows, metadata().max_seq_len - 2);
  EXPECT_EQ(utterance.stats.finish_reason, FinishReason::kCapacity);
  EXPECT_EQ(utterance.tokens.size(), 2U);
  EXPECT_EQ(utterance.stats.frames, 1);
}

TEST_F(SynthesisSessionTest, PromptWithoutRoomToSpeakIsRefused) {
  const SynthesisOptions full = in_one_go(TextLayout::kFull, 100);
  const std::string text = text_of_rows(metadata().max_seq_len);
  const Status status = session_->start(request(text), full);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  const std::string size = std::to_string(metadata().max_seq_len);
  EXPECT_NE(status.error().message.find(size + " rows"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("holds " + size), std::string::npos) << status.error().message;
}

TEST_F(SynthesisSessionTest, StopEndsTheUtteranceAtTheNextFrame) {
  MemorySink sink;
  sink.session = session_.get();
  sink.stop_at_write = 2;
  const SynthesisStats stats = must(session_->synthesize(request("Stop me."), options(100), sink));
  EXPECT_EQ(stats.finish_reason, FinishReason::kStopped);
  EXPECT_EQ(stats.frames, 1 + 1);
  EXPECT_EQ(sink.received.size(), static_cast<size_t>(2 * metadata().samples_per_frame));
  EXPECT_TRUE(sink.is_closed);
  EXPECT_EQ(speak(*session_, request("And on."), options(5)).stats.frames, 4);
}

/// Another thread stops the session while it waits for the sink.
class StoppingSink : public MemorySink {
 public:
  Status write(const float* samples, int64_t num_samples) override {
    if (num_writes == 1) {
      std::thread([this] { session->stop(); }).join();
    }
    return MemorySink::write(samples, num_samples);
  }
};

TEST_F(SynthesisSessionTest, AnotherThreadStops) {
  const Utterance whole = speak(*session_, request("Stop me from elsewhere."), options(100));
  StoppingSink sink;
  sink.session = session_.get();
  const SynthesisStats stats = must(session_->synthesize(request("Stop me from elsewhere."), options(100), sink));
  EXPECT_EQ(stats.finish_reason, FinishReason::kStopped);
  EXPECT_TRUE(sink.is_closed);
  EXPECT_EQ(sink.received.size(), static_cast<size_t>(2 * metadata().samples_per_frame));
  EXPECT_TRUE(std::equal(sink.received.begin(), sink.received.end(), whole.samples.begin()));
}

TEST_F(SynthesisSessionTest, StopBeforeTheStartIsNotLost) {
  session_->stop();
  const Utterance stopped = speak(*session_, request("Not this."), options(20));
  EXPECT_EQ(stopped.stats.finish_reason, FinishReason::kStopped);
  EXPECT_TRUE(stopped.samples.empty());
  EXPECT_EQ(speak(*session_, request("But this."), options(5)).stats.frames, 4);
  session_->stop();
  session_->reset();
  EXPECT_EQ(speak(*session_, request("This too."), options(5)).stats.frames, 4);
}

/// The last samples are with the sink, which may take its time, when nothing is left to end.
TEST_F(SynthesisSessionTest, StopDuringTheLastWriteIsNotAboutTheNextUtterance) {
  MemorySink counting;
  must(session_->synthesize(request("To the end."), options(6), counting));
  MemorySink sink;
  sink.session = session_.get();
  sink.stop_at_write = counting.num_writes;
  EXPECT_EQ(must(session_->synthesize(request("To the end."), options(6), sink)).frames, 5);
  EXPECT_EQ(speak(*session_, request("And on."), options(5)).stats.frames, 4);
  sink.num_writes = 0;
  sink.stop_at_write = 1;
  ASSERT_TRUE(session_->decode(some_codes(1, metadata()), sink).ok());
  EXPECT_EQ(speak(*session_, request("And on."), options(5)).stats.frames, 4);
}

TEST_F(SynthesisSessionTest, SessionOutlivesItsEngine) {
  auto engine = testing::make_engine("tiny-base");
  const auto session = must(engine->create_session());
  const Utterance expected = speak(*session, request("Still here."), options(6));
  engine.reset();
  expect_equal(speak(*session, request("Still here."), options(6)), expected);
}

TEST_F(SynthesisSessionTest, CapacityCountsSessions) {
  const EngineCapacity alone = engine_->capacity();
  EXPECT_GE(alone.max_sessions, 64);
  EXPECT_EQ(alone.num_sessions, 1);
  auto other = must(engine_->create_session());
  EXPECT_EQ(engine_->capacity().num_sessions, 2);
  other.reset();
  EXPECT_EQ(engine_->capacity().num_sessions, 1);
}

TEST(CapacityTest, SessionTakesWhatItsMethodsWriteTo) {
  const auto program = must(Program::create(testing::model_path("tiny-base")));
  const auto bytes = [&](const char* method, size_t index) {
    return must(num_bytes(must(program->state_spec(method, index))));
  };
  const auto engine = testing::make_engine("tiny-base");
  const EngineCapacity capacity = engine->capacity();
  EXPECT_EQ(capacity.session_bytes, bytes("decode_audio", 2) + bytes("decode_audio", 3));
  const auto most_slots = static_cast<size_t>(must(program->state_spec("talker", 4)).sizes[0]);
  EXPECT_EQ(capacity.position_bytes * static_cast<size_t>(engine->metadata().max_seq_len) * most_slots,
            bytes("talker", 4));
}

TEST_F(SynthesisSessionTest, SlowSinkOnlyTakesTime) {
  const Utterance expected = speak(*session_, request("Slowly."), options(12));
  MemorySink sink;
  sink.delay = std::chrono::milliseconds(5);
  const SynthesisStats stats = must(session_->synthesize(request("Slowly."), options(12), sink));
  EXPECT_EQ(sink.received, expected.samples);
  EXPECT_GE(stats.sink_ms, 5.0 * sink.num_writes);
  EXPECT_GE(stats.total_ms, stats.sink_ms);
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors

TEST_F(SynthesisSessionTest, NextOutOfOrderIsAnErrorThatHarmsNothing) {
  const auto early = session_->next();
  ASSERT_FALSE(early.ok());
  EXPECT_EQ(early.error().code, ErrorCode::kInvalidState);
  const Utterance expected = speak(*session_, request("In order."), options(6));
  const auto late = session_->next();
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, ErrorCode::kInvalidState);
  expect_equal(speak(*session_, request("In order."), options(6)), expected);
}

TEST_F(SynthesisSessionTest, ErrorPoisonsUntilReset) {
  const Utterance expected = speak(*session_, request("Fine."), options(6));
  ASSERT_FALSE(session_->start(request(""), options(6)).ok());
  MemorySink sink;
  EXPECT_EQ(session_->start(request("Fine."), options(6)).error().code, ErrorCode::kInvalidState);
  EXPECT_EQ(session_->next().error().code, ErrorCode::kInvalidState);
  EXPECT_EQ(session_->decode({}, sink).error().code, ErrorCode::kInvalidState);
  session_->reset();
  expect_equal(speak(*session_, request("Fine."), options(6)), expected);
}

TEST_F(SynthesisSessionTest, FailingSinkEndsTheUtterance) {
  MemorySink sink;
  sink.fail_at_write = 2;
  const auto stats = session_->synthesize(request("Full disk."), options(100), sink);
  ASSERT_FALSE(stats.ok());
  EXPECT_EQ(stats.error().code, ErrorCode::kIo);
  EXPECT_EQ(stats.error().message, "the disk is full");
  EXPECT_FALSE(sink.is_closed);
  EXPECT_FALSE(session_->start(request("More."), options(5)).ok());
}

TEST_F(SynthesisSessionTest, BlankAndInvalidTextIsRefused) {
  for (const char* text : {"", "   ", "\n", "\t \r\n ", "a\xFF"}) {
    const Status status = session_->start(request(text), options(5));
    ASSERT_FALSE(status.ok()) << text;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    session_->reset();
  }
}

TEST_F(SynthesisSessionTest, StreamedTextWithoutRoomIsRefused) {
  const SynthesisOptions streaming = in_one_go(TextLayout::kStreaming, 100);
  const std::string text(static_cast<size_t>(metadata().max_seq_len), '1');
  const Status status = session_->start(request(text), streaming);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("no room to speak"), std::string::npos) << status.error().message;
}

TEST_F(SynthesisSessionTest, CheckRefusesWhatStartWouldAndChangesNothing) {
  ASSERT_TRUE(session_->start(request("In the middle."), options(12)).ok());
  must(session_->next());
  SynthesisOptions bad = options(5);
  bad.top_p = 2.0F;
  SynthesisRequest unknown = request("Hello.");
  unknown.language = "klingon";
  EXPECT_TRUE(engine_->check(request("Hello."), options(5)).ok());
  EXPECT_EQ(engine_->check(request(""), options(5)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine_->check(request("Hello."), bad).error().message,
            "top_p is 2; it must be above 0 and at most 1 (off)");
  EXPECT_NE(engine_->check(unknown, options(5)).error().message.find("klingon"), std::string::npos);
  const AudioChunk chunk = must(session_->next());
  EXPECT_EQ(chunk.first_frame, 1);
  EXPECT_EQ(chunk.num_frames, 1);
}

TEST_F(SynthesisSessionTest, LeadingLineBreakIsNoText) {
  expect_equal(speak(*session_, request("\n  Hello."), options(6)), speak(*session_, request("Hello."), options(6)));
}

TEST_F(SynthesisSessionTest, BadOptionIsRefused) {
  SynthesisOptions bad = options(5);
  bad.chunk_frames = 0;
  const Status status = session_->start(request("Hello."), bad);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "chunk_frames is 0; it must be 1 or more");
}

// ---------------------------------------------------------------------------------------------------------------------
// Codes to samples

TEST_F(SynthesisSessionTest, DecodedCodesSoundLikeTheUtterance) {
  const Utterance utterance = speak(*session_, request("Twice the same."), options(40));
  MemorySink sink;
  ASSERT_TRUE(session_->decode(utterance.codes, sink).ok());
  EXPECT_EQ(sink.received, utterance.samples);
  EXPECT_TRUE(sink.is_closed);
  EXPECT_EQ(session_->codes(), utterance.codes);
  EXPECT_TRUE(session_->talker_tokens().empty());
  EXPECT_EQ(session_->stats().frames, utterance.stats.frames);
}

TEST_F(SynthesisSessionTest, SessionDecodesItsOwnCodes) {
  const Utterance utterance = speak(*session_, request("Mine."), options(10));
  MemorySink sink;
  ASSERT_TRUE(session_->decode(session_->codes(), sink).ok());
  EXPECT_EQ(sink.received, utterance.samples);
}

TEST_F(SynthesisSessionTest, NoCodesAreNoSamples) {
  MemorySink sink;
  ASSERT_TRUE(session_->decode({}, sink).ok());
  EXPECT_TRUE(sink.received.empty());
  EXPECT_TRUE(sink.is_closed);
}

TEST_F(SynthesisSessionTest, StopEndsDecoding) {
  MemorySink sink;
  sink.session = session_.get();
  sink.stop_at_write = 1;
  ASSERT_TRUE(session_->decode(some_codes(100, metadata()), sink).ok());
  EXPECT_EQ(session_->stats().finish_reason, FinishReason::kStopped);
  EXPECT_EQ(session_->stats().frames, metadata().max_decode_frames);
  EXPECT_EQ(session_->codes().size(), static_cast<size_t>(metadata().max_decode_frames * metadata().num_code_groups));
}

TEST_F(SynthesisSessionTest, CodesThatAreNoFramesAreRefused) {
  for (const std::vector<int64_t>& codes :
       {std::vector<int64_t>(17, 0), std::vector<int64_t>(16, metadata().code_vocab_size),
        std::vector<int64_t>(16, -1)}) {
    MemorySink sink;
    const Status status = session_->decode(codes, sink);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(sink.is_closed);
    session_->reset();
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Voices and model types

TEST_F(SynthesisSessionTest, XVectorChangesTheSpeech) {
  SynthesisRequest with_voice = request("Whose voice?");
  with_voice.voice = some_voice(0, metadata());
  const Utterance plain = speak(*session_, request("Whose voice?"), options(10));
  const Utterance cloned = speak(*session_, with_voice, options(10));
  EXPECT_EQ(cloned.stats.prompt_rows, plain.stats.prompt_rows + 1);
  EXPECT_NE(cloned.codes, plain.codes);
}

TEST_F(SynthesisSessionTest, InContextSpeechGoesOnFromTheVoicesFrames) {
  for (const int64_t num_frames : {3, 40}) {
    SynthesisRequest in_context = request("Going on.");
    in_context.voice = some_voice(num_frames, metadata());
    const Utterance utterance = speak(*session_, in_context, options(10));
    // The reference decodes both together and cuts the beginning.
    std::vector<int64_t> all = in_context.voice->codes;
    all.insert(all.end(), utterance.codes.begin(), utterance.codes.end());
    MemorySink sink;
    ASSERT_TRUE(session_->decode(all, sink).ok());
    const auto cut = sink.received.begin() + num_frames * metadata().samples_per_frame;
    EXPECT_EQ(Samples(cut, sink.received.end()), utterance.samples);
  }
}

TEST_F(SynthesisSessionTest, LongPromptIsReadInPieces) {
  const SynthesisOptions full = in_one_go(TextLayout::kFull, 5);
  const std::string text = text_of_rows(std::min(metadata().max_rows * 2 + 3, metadata().max_seq_len - 10));
  const Utterance utterance = speak(*session_, request(text), full);
  EXPECT_GT(utterance.stats.prompt_rows, metadata().max_rows);
  EXPECT_EQ(utterance.stats.frames, 4);
}

TEST(CustomVoiceTest, SpeakersSpeakDifferently) {
  const auto engine = testing::make_engine("tiny-customvoice");
  const auto session = must(engine->create_session());
  SynthesisRequest ryan = request("Who is it?");
  ryan.speaker = "Ryan";
  SynthesisRequest vivian = request("Who is it?");
  vivian.speaker = "vivian";
  EXPECT_NE(speak(*session, ryan, options(10)).codes, speak(*session, vivian, options(10)).codes);
  const Status status = session->start(request("Who is it?"), options(10));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("ryan"), std::string::npos) << status.error().message;
}

TEST(VoiceDesignTest, SpeaksWithAndWithoutInstruct) {
  const auto engine = testing::make_engine("tiny-voicedesign");
  const auto session = must(engine->create_session());
  SynthesisRequest designed = request("What do I sound like?");
  const Utterance plain = speak(*session, designed, options(10));
  designed.instruct = "A calm, deep voice.";
  const Utterance calm = speak(*session, designed, options(10));
  EXPECT_GT(calm.stats.prompt_rows, plain.stats.prompt_rows + 5);
  EXPECT_NE(calm.codes, plain.codes);
}

}  // namespace
}  // namespace qwen3_tts
