#include "session/speech.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/try.h"
#include "scripted_stages.h"
#include "tiny_contract.h"

/// An utterance over scripted stages: every end, every stop and every error, without a model.
namespace qwen3_tts {
namespace {

using testing::Script;
using testing::ScriptedDecoder;
using testing::ScriptedFrames;
using testing::ScriptedRows;
using Samples = std::vector<float>;
using Tokens = std::vector<int64_t>;

constexpr size_t kCacheBytes = size_t{1} << 20;
constexpr int64_t kPauses[] = {7, 20000, 5000};  // Samples; a frame has 1920.

/// Decoding in turn with the other stages, and beside them.
class SpeechTest : public ::testing::TestWithParam<bool> {
 protected:
  SpeechTest() {
    options_.frame_budget = 0;
    options_.ahead = 0;
    DecodePool* pool = GetParam() ? &pool_ : nullptr;
    speech_ = Speech::create({metadata_, rows_, frames_, loop_, decoder_, pool, prefixes_}).value();
    frames_.pieces = {{1, 2, 3, 4, 5, 6, 7, 1, 2, 3, eos_}, {4, 5, 6, eos_}};
  }

  /// Two pieces of text, with a voice whose recording has `num_context_frames`.
  UtterancePlan plan(int64_t num_context_frames = 0) const {
    UtterancePlan plan;
    plan.pieces = {{Tokens(3, 40)}, {Tokens(20, 41)}};
    const auto voice = std::make_shared<Voice>();
    voice->x_vector = {1, 2, 3};
    voice->codes.assign(static_cast<size_t>(num_context_frames * metadata_.num_code_groups), 1);
    voice->text_ids.assign(num_context_frames > 0 ? 9 : 0, 30);
    plan.request.voice = voice;
    plan.request.is_in_context = num_context_frames > 0;
    return plan;
  }

  Status start(const UtterancePlan& plan) {
    samples_.clear();
    chunks_.clear();
    script_.forget_calls();
    frames_.begun.clear();
    frames_.rows_read.clear();
    RETURN_IF_ERROR(speech_->clear());
    return speech_->start(plan, resolve_options(options_, metadata_).value());
  }

  /// One utterance to its end, or to an error. What was heard goes to samples_.
  Status speak(const UtterancePlan& plan) {
    RETURN_IF_ERROR(start(plan));
    while (!speech_->is_finished()) {
      ASSIGN_OR_RETURN(const AudioChunk chunk, speech_->next());
      if (chunk.num_frames > 0 && !options_.trim_silence) {
        EXPECT_EQ(chunk.num_samples, chunk.num_frames * metadata_.samples_per_frame);
      }
      chunks_.push_back(chunk);
      samples_.insert(samples_.end(), chunk.samples, chunk.samples + chunk.num_samples);
    }
    speech_->forget_stop();
    return {};
  }

  Status speak() { return speak(plan()); }

  /// That plan with a pause before, between and after the pieces.
  UtterancePlan plan_with_pauses() const {
    UtterancePlan plan = this->plan();
    plan.pieces[0].pause_before = kPauses[0];
    plan.pieces[1].pause_before = kPauses[1];
    plan.final_pause = kPauses[2];
    return plan;
  }

  /// The samples of plan() with these pauses.
  Samples with_pauses(Samples samples) const {
    const auto silence = [&](std::ptrdiff_t at, size_t index) {
      samples.insert(samples.begin() + at, static_cast<size_t>(kPauses[index]), 0.0F);
    };
    silence(static_cast<std::ptrdiff_t>(samples.size()), 2);
    silence(10 * metadata_.samples_per_frame, 1);
    silence(0, 0);
    return samples;
  }

  bool is_beginning_of(const Samples& whole) const {
    return samples_.size() <= whole.size() && std::equal(samples_.begin(), samples_.end(), whole.begin());
  }

  std::unique_ptr<FrameDecoder> pool_decoder() { return std::make_unique<ScriptedDecoder>(script_, metadata_); }

  FinishReason finish_reason() { return speech_->stats().finish_reason; }

  const ModelMetadata metadata_ = testing::tiny_metadata();
  const int64_t eos_ = metadata_.codec_eos_id;
  Script script_;
  ScriptedRows rows_{script_, metadata_.hidden_size};
  ScriptedFrames frames_{script_, metadata_};
  ScriptedDecoder decoder_{script_, metadata_};
  PrefixCache prefixes_{kCacheBytes};
  FrameLoop loop_{frames_, metadata_, 4};
  DecodePool pool_{1, [this] { return Result<std::unique_ptr<FrameDecoder>>(pool_decoder()); },
                   [this] { loop_.wake(); }};
  SynthesisOptions options_;
  std::unique_ptr<Speech> speech_;
  Samples samples_;
  std::vector<AudioChunk> chunks_;
};

INSTANTIATE_TEST_SUITE_P(Decoding, SpeechTest, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Beside" : "InTurn"; });

TEST_P(SpeechTest, SamplesAreThoseOfAllFramesInOrder) {
  ASSERT_TRUE(speak().ok());
  EXPECT_EQ(finish_reason(), FinishReason::kEos);
  EXPECT_EQ(speech_->utterance().num_frames(), 13);
  EXPECT_EQ(speech_->utterance().tokens(), (Tokens{1, 2, 3, 4, 5, 6, 7, 1, 2, 3, eos_, 4, 5, 6, eos_}));
  const Tokens codes = speech_->utterance().codes();
  const Samples spoken = samples_;
  ASSERT_TRUE(speech_->clear().ok());
  Samples decoded;
  ASSERT_TRUE(speech_
                  ->decode(codes,
                           [&](const AudioChunk& chunk) {
                             decoded.insert(decoded.end(), chunk.samples, chunk.samples + chunk.num_samples);
                             return Status();
                           })
                  .ok());
  EXPECT_EQ(decoded, spoken);
  EXPECT_EQ(speech_->utterance().codes(), codes);
}

TEST_P(SpeechTest, DeliveriesDoNotChangeTheSpeech) {
  ASSERT_TRUE(speak().ok());
  const Samples expected = samples_;
  for (const int64_t frames : {1, 2, 3, 5, 12, 13, 100}) {
    options_.first_chunk_frames = options_.chunk_frames = frames;
    ASSERT_TRUE(speak().ok());
    EXPECT_EQ(samples_, expected) << frames;
  }
}

TEST_P(SpeechTest, LimitChangesNothingBeforeIt) {
  UtterancePlan plan = this->plan();
  plan.pieces.pop_back();
  ASSERT_TRUE(speak(plan).ok());
  const Samples whole = samples_;
  options_.frame_budget = 6;
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(finish_reason(), FinishReason::kFrameBudget);
  EXPECT_EQ(speech_->stats().cut_pieces, 1);
  EXPECT_EQ(samples_.size(), static_cast<size_t>(6 * metadata_.samples_per_frame));
  EXPECT_TRUE(is_beginning_of(whole));
}

TEST_P(SpeechTest, MakerLearnsTheLimitsAndHowTokensAreDrawn) {
  options_.min_frames = 3;
  options_.max_frames = 12;
  options_.seed = 99;
  ASSERT_TRUE(speak().ok());
  EXPECT_EQ(frames_.begun, (Tokens{13, 3})) << "twelve frames and a token; ten frames less";
  EXPECT_EQ(speech_->utterance().num_frames(), 12);
  EXPECT_EQ(finish_reason(), FinishReason::kMaxNewTokens);
  EXPECT_EQ(frames_.drawn_with.seed, 99U);
  EXPECT_EQ(frames_.drawn_with.min_new_tokens, 3);
}

/// Pieces that come late are spoken as those that were there, and what is made is heard before more text is needed.
TEST_P(SpeechTest, OpenTextIsSpokenAsItComes) {
  ASSERT_TRUE(speak(plan_with_pauses()).ok());
  const Samples whole = samples_;
  for (const bool is_first_there : {true, false}) {
    UtterancePlan plan = plan_with_pauses();
    std::vector<Piece> pieces = std::exchange(plan.pieces, {});
    plan.is_open = true;
    if (is_first_there) {
      plan.pieces = {pieces[0]};
      pieces.erase(pieces.begin());
    }
    ASSERT_TRUE(start(plan).ok());
    for (int64_t num_needed = 0; !speech_->is_finished();) {
      const AudioChunk chunk = speech_->next().value();
      samples_.insert(samples_.end(), chunk.samples, chunk.samples + chunk.num_samples);
      if (!chunk.needs_text) {
        continue;
      }
      EXPECT_EQ(static_cast<int64_t>(samples_.size()), speech_->stats().samples);
      const int64_t num_drawn = script_.count("draw");
      EXPECT_TRUE(speech_->next().value().needs_text) << "it stays so";
      EXPECT_EQ(script_.count("draw"), num_drawn);
      if (++num_needed <= static_cast<int64_t>(pieces.size())) {
        speech_->add_pieces({pieces[static_cast<size_t>(num_needed - 1)]});
      } else {
        speech_->close_text(kPauses[2]);
      }
    }
    EXPECT_EQ(samples_, whole);
    EXPECT_EQ(speech_->stats().pieces, 2);
    EXPECT_EQ(finish_reason(), FinishReason::kEos);
  }
}

TEST_P(SpeechTest, CodesOnlyDecodesNothing) {
  options_.codes_only = true;
  ASSERT_TRUE(speak(plan(8)).ok());
  EXPECT_TRUE(samples_.empty());
  EXPECT_EQ(script_.count("decode"), 0);
  EXPECT_EQ(speech_->utterance().num_frames(), 13);
}

TEST_P(SpeechTest, PrefixIsReadOnceAndRecordingDecodedOnce) {
  ASSERT_TRUE(speak(plan(8)).ok());
  const Samples expected = samples_;
  const Tokens rows_first = frames_.rows_read;
  const int64_t decodes_first = script_.count("decode");
  EXPECT_EQ(frames_.rows_restored, speech_->stats().cached_rows) << "of the second piece";
  ASSERT_TRUE(speak(plan(8)).ok());
  EXPECT_EQ(samples_, expected);
  EXPECT_LT(frames_.rows_read[0], rows_first[0]);
  EXPECT_EQ(speech_->stats().cached_frames, 8);
  EXPECT_EQ(script_.count("decode"), decodes_first - 2);
}

// ---------------------------------------------------------------------------------------------------------------------
// Pauses

TEST_P(SpeechTest, PausesChangeNoSampleBetweenThem) {
  ASSERT_TRUE(speak().ok());
  const Samples expected = with_pauses(samples_);
  const Tokens codes = speech_->utterance().codes();
  const Tokens tokens = speech_->utterance().tokens();
  for (const int64_t frames : {1, 2, 3, 10, 11, 100}) {
    options_.first_chunk_frames = options_.chunk_frames = frames;
    ASSERT_TRUE(speak(plan_with_pauses()).ok());
    EXPECT_EQ(samples_, expected) << frames;
    EXPECT_EQ(speech_->utterance().codes(), codes);
    EXPECT_EQ(speech_->utterance().tokens(), tokens);
    EXPECT_EQ(speech_->stats().pause_samples, kPauses[0] + kPauses[1] + kPauses[2]);
    EXPECT_EQ(speech_->stats().samples, static_cast<int64_t>(expected.size()));
    EXPECT_EQ(finish_reason(), FinishReason::kEos);
  }
}

TEST_P(SpeechTest, PausesAreDeliveredAsSpeechIs) {
  options_.first_chunk_frames = 1;
  options_.chunk_frames = 3;
  ASSERT_TRUE(speak(plan_with_pauses()).ok());
  std::vector<std::pair<int64_t, int64_t>> deliveries;
  int64_t frame = 0;
  for (const AudioChunk& chunk : chunks_) {
    EXPECT_EQ(chunk.first_frame, frame);
    EXPECT_EQ(chunk.is_last, &chunk == &chunks_.back());
    frame += chunk.num_frames;
    deliveries.emplace_back(chunk.num_frames, chunk.num_samples);
  }
  const int64_t three = 3 * metadata_.samples_per_frame;
  const int64_t one = metadata_.samples_per_frame;
  const std::vector<std::pair<int64_t, int64_t>> expected = {
      {0, 7},     {1, one},   {1, one},   {2, 2 * one},           {3, three}, {3, three},
      {0, three}, {0, three}, {0, three}, {0, 20000 - 3 * three}, {3, three}, {0, 5000}};
  EXPECT_EQ(deliveries, expected) << "ten frames, three frames; a pause is no part of a delivery of frames";
}

/// A long pause is no reason for a long delivery: it would have to be kept, and a stop to wait.
TEST_P(SpeechTest, LongPausesComeInSmallDeliveries) {
  options_.first_chunk_frames = options_.chunk_frames = INT64_MAX;
  ASSERT_TRUE(speak(plan_with_pauses()).ok());
  for (const AudioChunk& chunk : chunks_) {
    EXPECT_TRUE(chunk.num_frames > 0 || chunk.num_samples <= metadata_.max_decode_frames * metadata_.samples_per_frame);
  }
}

/// Somebody who listens hears the silence meanwhile.
TEST_P(SpeechTest, PieceIsBegunBehindItsPause) {
  ASSERT_TRUE(start(plan_with_pauses()).ok());
  int64_t num_silent = 0;
  while (!speech_->is_finished()) {
    const AudioChunk chunk = speech_->next().value();
    num_silent += chunk.num_frames == 0 ? chunk.num_samples : 0;
    EXPECT_EQ(frames_.begun.size() > 1, chunk.first_frame + chunk.num_frames > 10);
  }
  EXPECT_EQ(num_silent, speech_->stats().pause_samples);
}

TEST_P(SpeechTest, PausesAreNotTrimmed) {
  options_.trim_silence = true;
  ASSERT_TRUE(speak().ok());
  const Samples trimmed = samples_;
  const auto num_trimmed = 13 * metadata_.samples_per_frame - static_cast<int64_t>(trimmed.size());
  EXPECT_GT(num_trimmed, 0);
  ASSERT_TRUE(speak(plan_with_pauses()).ok());
  EXPECT_EQ(Samples(samples_.begin(), samples_.begin() + kPauses[0]), Samples(static_cast<size_t>(kPauses[0]), 0.0F));
  EXPECT_EQ(speech_->stats().samples, 13 * metadata_.samples_per_frame + speech_->stats().pause_samples - num_trimmed);
}

TEST_P(SpeechTest, CodesOnlyHasNoPauses) {
  options_.codes_only = true;
  ASSERT_TRUE(speak(plan_with_pauses()).ok());
  EXPECT_TRUE(samples_.empty());
  EXPECT_EQ(speech_->stats().pause_samples, 0);
  EXPECT_EQ(speech_->utterance().num_frames(), 13);
}

/// Between any two deliveries, in a pause and elsewhere.
TEST_P(SpeechTest, StopEndsAPause) {
  options_.first_chunk_frames = options_.chunk_frames = 2;
  ASSERT_TRUE(speak(plan_with_pauses()).ok());
  const Samples whole = samples_;
  const size_t num_chunks = chunks_.size();
  EXPECT_GT(num_chunks, 12U);
  for (size_t num_heard = 0; num_heard < num_chunks; ++num_heard) {
    ASSERT_TRUE(start(plan_with_pauses()).ok());
    for (size_t i = 0; !speech_->is_finished(); ++i) {
      if (i == num_heard) {
        speech_->stop();
      }
      const AudioChunk chunk = speech_->next().value();
      EXPECT_TRUE(i < num_heard || chunk.num_samples == 0) << "nothing comes after a stop";
      samples_.insert(samples_.end(), chunk.samples, chunk.samples + chunk.num_samples);
    }
    speech_->forget_stop();
    EXPECT_EQ(finish_reason(), FinishReason::kStopped) << num_heard;
    EXPECT_TRUE(is_beginning_of(whole));
    const SynthesisStats& stats = speech_->stats();
    EXPECT_EQ(stats.samples, static_cast<int64_t>(samples_.size()));
    EXPECT_EQ(stats.samples, stats.frames * metadata_.samples_per_frame + stats.pause_samples);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Pieces ahead

/// Many pieces, the first of which gives the lead that the others need.
UtterancePlan many_pieces(UtterancePlan plan) {
  plan.pieces = std::vector<Piece>(9, {Tokens(4, 40)});
  plan.pieces[3].pause_before = 30000;
  return plan;
}

TEST_P(SpeechTest, PiecesAheadChangeNoSample) {
  const UtterancePlan plan = many_pieces(this->plan());
  frames_.pieces = {Tokens(12, 1), {4, 5, 6}, {7}, Tokens(20, 2), {}, {3, 3}, Tokens(9, 5), {1}, {2, 2, 2}};
  for (Tokens& piece : frames_.pieces) {
    piece.push_back(eos_);
  }
  ASSERT_TRUE(speak(plan).ok());
  const Samples expected = samples_;
  const Tokens tokens = speech_->utterance().tokens();
  const Tokens codes = speech_->utterance().codes();
  EXPECT_EQ(frames_.most_in_a_call, 1U);
  for (const int64_t ahead : {1, 2, 3, 100}) {
    for (const int64_t chunk : {1, 4, 100}) {
      options_.ahead = ahead;
      options_.chunk_frames = chunk;
      ASSERT_TRUE(speak(plan).ok());
      EXPECT_EQ(samples_, expected) << ahead << " " << chunk;
      EXPECT_EQ(speech_->utterance().tokens(), tokens);
      EXPECT_EQ(speech_->utterance().codes(), codes);
      EXPECT_EQ(finish_reason(), FinishReason::kEos);
      EXPECT_EQ(speech_->stats().pieces, 9);
    }
  }
  EXPECT_GT(frames_.most_in_a_call, 1U) << "some shared a call";
  EXPECT_LE(frames_.num_streams, 4) << "a maker that takes four in a call needs no more at once";
}

TEST_P(SpeechTest, LimitsOverAllPiecesCutWhatWasMadeAhead) {
  const UtterancePlan plan = many_pieces(this->plan());
  frames_.pieces = std::vector<Tokens>(9, Tokens{1, 2, 3, 4, 5, 6, 7, eos_});
  ASSERT_TRUE(speak(plan).ok());
  const Samples whole = samples_;
  for (const int64_t max_frames : {1, 6, 7, 8, 20, 61, 62}) {
    options_.max_frames = max_frames;
    options_.ahead = 0;
    ASSERT_TRUE(speak(plan).ok());
    const Samples expected = samples_;
    const Tokens tokens = speech_->utterance().tokens();
    const FinishReason reason = finish_reason();
    options_.ahead = 3;
    ASSERT_TRUE(speak(plan).ok());
    EXPECT_EQ(samples_, expected) << max_frames;
    EXPECT_TRUE(is_beginning_of(whole));
    EXPECT_EQ(speech_->utterance().tokens(), tokens);
    EXPECT_EQ(finish_reason(), reason);
  }
}

TEST_P(SpeechTest, StopDropsThePiecesAhead) {
  const UtterancePlan plan = many_pieces(this->plan());
  frames_.pieces = std::vector<Tokens>(9, Tokens{1, 2, 3, 4, 5, 6, 7, 1, 1, 1, 1, 1, eos_});
  options_.ahead = 3;
  options_.chunk_frames = 2;
  ASSERT_TRUE(speak(plan).ok());
  const Samples whole = samples_;
  for (int64_t num_heard = 0; num_heard < 60; num_heard += 7) {
    ASSERT_TRUE(start(plan).ok());
    for (int64_t i = 0; !speech_->is_finished(); ++i) {
      if (i == num_heard) {
        speech_->stop();
      }
      const AudioChunk chunk = speech_->next().value();
      samples_.insert(samples_.end(), chunk.samples, chunk.samples + chunk.num_samples);
    }
    speech_->forget_stop();
    EXPECT_EQ(finish_reason(), num_heard < 54 ? FinishReason::kStopped : finish_reason());
    EXPECT_TRUE(is_beginning_of(whole));
    EXPECT_EQ(speech_->stats().samples,
              speech_->utterance().num_frames() * metadata_.samples_per_frame + speech_->stats().pause_samples);
    const int64_t num_draws = script_.count("draw");
    loop_.make_until([] { return true; });
    EXPECT_EQ(script_.count("draw"), num_draws);
  }
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(samples_, whole);
}

/// What it took of the frame maker's memory is not kept for the next utterance.
TEST_P(SpeechTest, WhoeverHasEndedRests) {
  const UtterancePlan plan = many_pieces(this->plan());
  frames_.pieces = std::vector<Tokens>(9, Tokens{1, 2, 3, 4, 5, 6, 7, 1, 1, 1, eos_});
  options_.ahead = 3;
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_TRUE(frames_.awake.empty()) << "at its end";
  ASSERT_TRUE(start(plan).ok());
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(speech_->next().ok());
  }
  EXPECT_FALSE(frames_.awake.empty()) << "in the middle";
  speech_->stop();
  while (!speech_->is_finished()) {
    ASSERT_TRUE(speech_->next().ok());
  }
  EXPECT_TRUE(frames_.awake.empty()) << "after a stop";
  speech_->forget_stop();
  ASSERT_TRUE(start(plan).ok());
  ASSERT_TRUE(speech_->next().ok());
  speech_->rest();
  EXPECT_TRUE(frames_.awake.empty()) << "when nobody wants more of it";
  script_.fail("draw", 20);
  ASSERT_FALSE(speak(plan).ok());
  EXPECT_TRUE(frames_.awake.empty()) << "after an error";
}

TEST_P(SpeechTest, ErrorOfAPieceAheadComesWhenItIsHeard) {
  const UtterancePlan plan = many_pieces(this->plan());
  frames_.pieces = std::vector<Tokens>(9, Tokens{1, 2, 3, 4, 5, 6, 7, 1, 1, 1, eos_});
  frames_.pieces[4] = Tokens(20, 3);
  options_.ahead = 0;
  frames_.broken_at = 15;
  ASSERT_FALSE(speak(plan).ok());
  const Samples before = samples_;
  options_.ahead = 3;
  const Status status = speak(plan);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "logits are not numbers");
  EXPECT_EQ(samples_, before) << "all that was right is heard";
}

// ---------------------------------------------------------------------------------------------------------------------
// stop()

TEST_P(SpeechTest, StopAtAnyMomentLeavesABeginning) {
  const UtterancePlan plan = this->plan(9);
  ASSERT_TRUE(speak(plan).ok());
  const Samples whole = samples_;
  int64_t moment = 0;
  int64_t num_too_late = 0;
  std::atomic<int64_t> num_moments{0};
  script_.on_call = [&](const std::string&, int64_t) {
    if (num_moments++ == moment) {
      speech_->stop();
    }
  };
  for (;; ++moment) {
    num_moments = 0;
    ASSERT_TRUE(speak(plan).ok());
    if (num_moments <= moment) {
      break;  // There was no such moment.
    }
    SCOPED_TRACE("stopped at call " + std::to_string(moment));
    EXPECT_TRUE(is_beginning_of(whole));
    EXPECT_EQ(samples_.size(), static_cast<size_t>(speech_->utterance().num_frames() * metadata_.samples_per_frame));
    if (finish_reason() == FinishReason::kEos) {
      EXPECT_EQ(samples_, whole) << "it came too late";
      ++num_too_late;
    }
  }
  EXPECT_GT(moment, 40) << "the prompt's rows, its reading, every frame and every decoding";
  EXPECT_LE(num_too_late, 3) << "the last token, and the decoding of what was made before it";
  script_.on_call = nullptr;
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(samples_, whole) << "nothing is left of the stops";
}

TEST_P(SpeechTest, StopEndsADeliveryInTheMiddle) {
  options_.first_chunk_frames = options_.chunk_frames = 100;
  script_.on_call = [&](const std::string& call, int64_t index) {
    if (call == "draw" && index == 5) {
      speech_->stop();
    }
  };
  ASSERT_TRUE(speak().ok());
  EXPECT_EQ(finish_reason(), FinishReason::kStopped);
  EXPECT_EQ(script_.count("draw"), 6) << "the frame that was begun is completed, and no other one begun";
  EXPECT_EQ(speech_->utterance().num_frames(), 6);
}

TEST_P(SpeechTest, StopBeforeTheStartEndsTheUtteranceBeforeItsFirstFrame) {
  speech_->stop();
  ASSERT_TRUE(speak(plan(9)).ok());
  EXPECT_EQ(finish_reason(), FinishReason::kStopped);
  EXPECT_TRUE(samples_.empty());
  EXPECT_TRUE(speech_->utterance().tokens().empty());
  EXPECT_EQ(script_.count("read") + script_.count("draw") + script_.count("decode"), 0);
  ASSERT_TRUE(speak(plan(9)).ok());
  EXPECT_EQ(finish_reason(), FinishReason::kEos) << "a stop is about one utterance";
}

TEST_P(SpeechTest, ForgottenStopStopsNothing) {
  speech_->stop();
  speech_->forget_stop();
  ASSERT_TRUE(speak().ok());
  EXPECT_EQ(finish_reason(), FinishReason::kEos);
}

TEST_P(SpeechTest, StopDuringALongPromptReadsNoMoreOfIt) {
  UtterancePlan plan = this->plan();
  plan.pieces = {{Tokens(40, 40)}};
  script_.on_call = [&](const std::string& call, int64_t index) {
    if (call == "read" && index == 1) {
      speech_->stop();
    }
  };
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(finish_reason(), FinishReason::kStopped);
  EXPECT_EQ(script_.count("read"), 2);
  EXPECT_EQ(script_.count("draw"), 0);
}

TEST_P(SpeechTest, HalfReadPrefixIsNotRemembered) {
  UtterancePlan plan = this->plan();
  plan.request.instruct = Tokens(30, 50);
  script_.on_call = [&](const std::string& call, int64_t) {
    if (call == "read") {
      speech_->stop();
    }
  };
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(prefixes_.size_bytes(), 0U);
}

TEST_P(SpeechTest, StopWhileARecordingIsDecodedDecodesNoMoreOfIt) {
  script_.on_call = [&](const std::string& call, int64_t index) {
    if (call == "decode" && index == 1) {
      speech_->stop();
    }
  };
  UtterancePlan plan = this->plan(30);
  plan.pieces = {{Tokens(3, 40)}};
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(script_.count("decode"), 2);
  EXPECT_TRUE(samples_.empty());
  script_.on_call = nullptr;
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(speech_->stats().cached_frames, 0) << "a half-decoded recording is not remembered";
}

TEST_P(SpeechTest, StopEndsDecoding) {
  const Tokens codes(static_cast<size_t>(20 * metadata_.num_code_groups), 1);
  ASSERT_TRUE(speech_->clear().ok());
  ASSERT_TRUE(speech_
                  ->decode(codes,
                           [&](const AudioChunk&) {
                             speech_->stop();
                             return Status();
                           })
                  .ok());
  EXPECT_EQ(finish_reason(), FinishReason::kStopped);
  EXPECT_EQ(speech_->utterance().num_frames(), metadata_.max_decode_frames);
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors

TEST_P(SpeechTest, LogitsThatAreNoNumbersInFrameSevenAreTheUtterancesError) {
  options_.first_chunk_frames = options_.chunk_frames = 2;
  ASSERT_TRUE(speak().ok());
  const Samples whole = samples_;
  frames_.broken_at = 7;
  const Status status = speak();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "logits are not numbers");
  EXPECT_TRUE(is_beginning_of(whole));
  EXPECT_EQ(samples_.size(), static_cast<size_t>(6 * metadata_.samples_per_frame)) << "what was delivered before";
  EXPECT_EQ(speech_->stats().frames, 7);
  frames_.broken_at.reset();
  ASSERT_TRUE(speak().ok());
  EXPECT_EQ(samples_, whole) << "the next utterance knows nothing of it";
}

TEST_P(SpeechTest, ErrorOfAnyStageAtAnyCallIsReported) {
  const UtterancePlan plan = this->plan(9);
  ASSERT_TRUE(speak(plan).ok());
  const Samples whole = samples_;
  int64_t num_errors = 0;
  for (const std::string call : {"embed", "read", "draw", "complete", "decode"}) {
    for (int64_t index = 0;; ++index) {
      script_.fail(call, index);
      const Status status = speak(plan);
      if (script_.count(call) <= index) {
        EXPECT_TRUE(status.ok()) << "there was no such call";
        break;
      }
      ++num_errors;
      ASSERT_FALSE(status.ok()) << call << " " << index;
      EXPECT_EQ(status.error().message, call + " " + std::to_string(index) + " failed");
      EXPECT_TRUE(is_beginning_of(whole));
    }
  }
  EXPECT_GT(num_errors, 40);
  script_.fail("", -1);
  ASSERT_TRUE(speak(plan).ok());
  EXPECT_EQ(samples_, whole);
}

TEST_P(SpeechTest, ErrorOfTheDecoderBesideEndsTheUtteranceAtTheNextDelivery) {
  options_.first_chunk_frames = options_.chunk_frames = 1;
  script_.fail("decode", 4);
  const Status status = speak();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "decode 4 failed");
  EXPECT_EQ(samples_.size(), static_cast<size_t>(4 * metadata_.samples_per_frame));
}

TEST_P(SpeechTest, ErrorOfTheListenerEndsDecoding) {
  const Tokens codes(static_cast<size_t>(20 * metadata_.num_code_groups), 1);
  ASSERT_TRUE(speech_->clear().ok());
  const Status status =
      speech_->decode(codes, [](const AudioChunk&) { return Status(Error{ErrorCode::kIo, "the disk is full"}); });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message, "the disk is full");
  EXPECT_EQ(script_.count("decode"), 1);
}

}  // namespace
}  // namespace qwen3_tts
