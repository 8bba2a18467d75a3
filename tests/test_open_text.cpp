#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/synthesis_session.h>

#include "session_testing.h"
#include "test_models.h"

/// A text that is still being written while it is spoken.
namespace qwen3_tts {
namespace {

using testing::expect_equal;
using testing::must;
using testing::request;
using testing::Samples;
using testing::some_voice;
using testing::speak;
using testing::Utterance;

const std::string kText = "Well then, this is how it begins. And it goes on?  Yes!\n\nGrüße, in the second paragraph…";
const std::vector<std::string> kParts = {"Well then,", "this is how it begins.", "And it goes on?", "Yes!",
                                         "Grüße, in the second paragraph…"};

SynthesisRequest open(const std::string& begin = "") {
  SynthesisRequest request = testing::request(begin);
  request.open_text = true;
  return request;
}

SynthesisOptions sampled(uint64_t seed = 42) {
  SynthesisOptions options;
  options.frame_budget = 6;
  options.seed = seed;
  return options;
}

SynthesisOptions greedy() {
  SynthesisOptions options = sampled();
  options.temperature = options.subtalker_temperature = 0.0F;
  return options;
}

class OpenTextTest : public ::testing::Test {
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

  /// Speaks on until the end, or until text is needed.
  AudioChunk listen(Samples& samples) {
    for (;;) {
      const AudioChunk chunk = must(session_->next());
      samples.insert(samples.end(), chunk.samples, chunk.samples + chunk.num_samples);
      if (chunk.is_last || chunk.needs_text) {
        return chunk;
      }
    }
  }

  /// Text that comes in these bits, each when all before it is spoken.
  Utterance speak_bits(const std::vector<std::string>& bits, const SynthesisOptions& options,
                       const SynthesisRequest& request = open()) {
    Utterance utterance;
    EXPECT_TRUE(session_->start(request, options).ok());
    for (const std::string& bit : bits) {
      EXPECT_TRUE(session_->append(bit).ok());
      EXPECT_TRUE(listen(utterance.samples).needs_text);
    }
    EXPECT_TRUE(session_->finish().ok());
    EXPECT_TRUE(listen(utterance.samples).is_last);
    return {utterance.samples, session_->codes(), session_->talker_tokens(), session_->stats()};
  }

  static std::vector<std::string> cut_anywhere(const std::string& text, std::mt19937& random) {
    std::vector<std::string> bits;
    for (size_t begin = 0; begin < text.size();) {
      const size_t size = 1 + random() % 20;
      bits.push_back(text.substr(begin, size));
      begin += size;
    }
    return bits;
  }

  static Engine* engine_;
  std::unique_ptr<SynthesisSession> session_;
};

Engine* OpenTextTest::engine_ = nullptr;

TEST_F(OpenTextTest, SaysTheSameHoweverTheTextComes) {
  std::mt19937 random(11);  // NOLINT(bugprone-random-generator-seed): every run is the same
  SynthesisRequest with_voice = open();
  with_voice.voice = some_voice(3, engine_->metadata());
  SynthesisOptions split = sampled(3);
  split.long_text = LongText::kSplit;
  SynthesisOptions codes_only = sampled(5);
  codes_only.codes_only = true;
  SynthesisOptions trimmed = sampled(6);
  trimmed.trim_silence = true;
  for (const SynthesisRequest& request : {open(), with_voice}) {
    for (const SynthesisOptions& options : {greedy(), sampled(7), split, codes_only, trimmed}) {
      SynthesisRequest all = request;
      all.text = kText;
      const Utterance whole = speak(*session_, all, options);
      EXPECT_EQ(whole.stats.pieces, static_cast<int64_t>(kParts.size()));
      EXPECT_EQ(whole.samples.empty(), options.codes_only);
      for (int i = 0; i < 3; ++i) {
        const Utterance bits = speak_bits(cut_anywhere(kText, random), options, request);
        expect_equal(bits, whole);
        EXPECT_EQ(bits.stats.text_tokens, whole.stats.text_tokens);
        EXPECT_EQ(bits.stats.pieces, whole.stats.pieces);
        EXPECT_EQ(bits.stats.pause_samples, whole.stats.pause_samples);
        EXPECT_EQ(bits.stats.finish_reason, whole.stats.finish_reason);
      }
    }
  }
}

TEST_F(OpenTextTest, EveryPartSaysWhatItsTextAloneSays) {
  std::vector<int64_t> codes;
  for (const std::string& part : kParts) {
    const Utterance alone = speak(*session_, request(part), greedy());
    codes.insert(codes.end(), alone.codes.begin(), alone.codes.end());
  }
  EXPECT_EQ(speak_bits({kText}, greedy()).codes, codes);
}

TEST_F(OpenTextTest, BeginsBeforeTheTextIsWhole) {
  Samples samples;
  ASSERT_TRUE(session_->start(open("Well then, th"), sampled()).ok());
  EXPECT_TRUE(listen(samples).needs_text);
  EXPECT_EQ(session_->stats().frames, 6);
  EXPECT_FALSE(samples.empty());
}

TEST_F(OpenTextTest, WithoutTextThereIsNothingToSayYet) {
  ASSERT_TRUE(session_->start(open(), sampled()).ok());
  for (int i = 0; i < 3; ++i) {
    const AudioChunk chunk = must(session_->next());
    EXPECT_TRUE(chunk.needs_text);
    EXPECT_FALSE(chunk.is_last);
    EXPECT_EQ(chunk.num_samples, 0);
  }
}

TEST_F(OpenTextTest, PausesAreThoseOfTheText) {
  SynthesisRequest marked = open();
  marked.markup = true;
  const auto pauses = [&](const std::vector<std::string>& bits) {
    return speak_bits(bits, greedy(), marked).stats.pause_samples;
  };
  const auto rate = static_cast<double>(engine_->metadata().sample_rate);
  const auto seconds = [&](double value) { return static_cast<int64_t>(value * rate); };
  EXPECT_EQ(pauses({"One. Two."}), 0);
  EXPECT_EQ(pauses({"One.\n", "\nTwo."}), seconds(0.4));
  EXPECT_EQ(pauses({"One.\n\n***\n\nTwo."}), seconds(0.4));
  EXPECT_EQ(pauses({"One [pau", "se 500ms] two. [pause 1s]"}), seconds(1.5));
  EXPECT_EQ(pauses({"One.\n\n[pause 500ms]Two."}), seconds(0.5)) << "it takes the place of the paragraph's";
  EXPECT_EQ(pauses({"One. [pause 500ms]\n\nTwo."}), seconds(0.5));
}

TEST_F(OpenTextTest, InOneGoItIsSpokenWhenAllIsThere) {
  SynthesisOptions options = sampled(9);
  options.long_text = LongText::kError;
  Samples samples;
  ASSERT_TRUE(session_->start(open("Well then. "), options).ok());
  EXPECT_TRUE(listen(samples).needs_text);
  EXPECT_TRUE(session_->append("It is all one.").ok());
  EXPECT_TRUE(listen(samples).needs_text);
  EXPECT_TRUE(samples.empty());
  ASSERT_TRUE(session_->finish().ok());
  EXPECT_TRUE(listen(samples).is_last);
  EXPECT_EQ(samples, speak(*session_, request("Well then. It is all one."), options).samples);
}

TEST_F(OpenTextTest, WriterMayBeAnotherThread) {
  const Utterance whole = speak_bits({kText}, sampled());
  ASSERT_TRUE(session_->start(open(), sampled()).ok());
  std::thread writer([&] {
    for (const char byte : kText) {
      EXPECT_TRUE(session_->append({&byte, 1}).ok());
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_TRUE(session_->finish().ok());
  });
  Samples samples;
  while (!listen(samples).is_last) {
    std::this_thread::yield();
  }
  writer.join();
  EXPECT_EQ(samples, whole.samples);
}

TEST_F(OpenTextTest, StopEndsItWhileTextIsNeeded) {
  Samples samples;
  ASSERT_TRUE(session_->start(open(kText), sampled()).ok());
  EXPECT_TRUE(listen(samples).needs_text);
  session_->stop();
  EXPECT_TRUE(must(session_->next()).is_last);
  EXPECT_EQ(session_->stats().finish_reason, FinishReason::kStopped);
  EXPECT_EQ(session_->append("more").error().code, ErrorCode::kInvalidState);
}

TEST_F(OpenTextTest, LimitOfTheUtteranceEndsItAndTheRest) {
  SynthesisOptions options = sampled();
  options.max_frames = 8;
  Samples samples;
  ASSERT_TRUE(session_->start(open(kText), options).ok());
  EXPECT_TRUE(listen(samples).is_last);
  EXPECT_EQ(session_->stats().finish_reason, FinishReason::kMaxNewTokens);
  EXPECT_EQ(session_->stats().frames, 8);
  EXPECT_EQ(session_->append("more").error().code, ErrorCode::kInvalidState);
  EXPECT_EQ(session_->finish().error().code, ErrorCode::kInvalidState);
}

TEST_F(OpenTextTest, ErrorsOfTheTextEndIt) {
  ASSERT_TRUE(session_->start(open("Fine. "), sampled()).ok());
  const Status status = session_->append("Not \xFF fine.");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(session_->append("More.").error().message, status.error().message);
  EXPECT_EQ(session_->next().error().message, status.error().message);
  session_->reset();
  EXPECT_EQ(speak_bits({kText}, greedy()).stats.pieces, static_cast<int64_t>(kParts.size()));

  ASSERT_TRUE(session_->start(open(), sampled()).ok());
  EXPECT_TRUE(session_->append(" ... \n\n").ok());
  EXPECT_EQ(session_->finish().error().message, "the text has no words; give at least one to speak");
  session_->reset();
}

TEST_F(OpenTextTest, TakesTextOnlyWhenItIsOpen) {
  const auto is_refused = [&] {
    return session_->append("x").error().code == ErrorCode::kInvalidState &&
           session_->finish().error().code == ErrorCode::kInvalidState;
  };
  EXPECT_TRUE(is_refused()) << "before any utterance";
  ASSERT_TRUE(session_->start(request("Hello."), sampled()).ok());
  EXPECT_TRUE(is_refused()) << "in one whose text is whole";
  ASSERT_TRUE(session_->start(open("Hello."), sampled()).ok());
  ASSERT_TRUE(session_->finish().ok());
  EXPECT_TRUE(session_->finish().ok());
  EXPECT_EQ(session_->append("x").error().message, "the text was finished; start another utterance for more");
  session_->reset();
  EXPECT_TRUE(is_refused()) << "after reset()";
}

TEST_F(OpenTextTest, IsCheckedBeforeItIsStarted) {
  EXPECT_TRUE(engine_->check(open(), sampled()).ok());
  EXPECT_TRUE(engine_->check(open("Hello"), sampled()).ok());
  EXPECT_FALSE(engine_->check(open("\xFF"), sampled()).ok());
  SynthesisRequest named = open();
  named.speaker = "nobody";
  EXPECT_FALSE(engine_->check(named, sampled()).ok());
}

}  // namespace
}  // namespace qwen3_tts
