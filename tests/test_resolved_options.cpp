#include "session/resolved_options.h"

#include <functional>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

TEST(ResolvedOptionsTest, UnsetValuesAreTheCheckpoints) {
  const ModelMetadata metadata = testing::tiny_metadata();
  const auto options = resolve_options({}, metadata);
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->text_layout, TextLayout::kFull);
  EXPECT_EQ(options->max_new_tokens, 8192);
  EXPECT_EQ(options->draw.talker.temperature, 0.9F);
  EXPECT_EQ(options->draw.talker.top_p, 1.0F);
  EXPECT_EQ(options->draw.repetition_penalty, 1.05F);
  EXPECT_EQ(options->draw.subtalker.temperature, 0.8F);
  EXPECT_EQ(options->draw.subtalker.top_p, 0.95F);
}

TEST(ResolvedOptionsTest, SmallerLimitCounts) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  const auto tokens = [](std::optional<int64_t> max_new_tokens, std::optional<int64_t> max_frames) {
    SynthesisOptions given;
    given.max_new_tokens = max_new_tokens;
    given.max_frames = max_frames;
    return resolve_options(given, testing::tiny_metadata()).value().max_new_tokens;
  };
  EXPECT_EQ(tokens({}, 10), 11);
  EXPECT_EQ(tokens(5, 10), 5);
  EXPECT_EQ(tokens(50, 10), 11);
  EXPECT_EQ(tokens({}, kLargest), 8192);
  EXPECT_EQ(tokens(kLargest, kLargest), kLargest);
}

TEST(ResolvedOptionsTest, LargerMinimumCounts) {
  const auto tokens = [](int64_t min_frames) {
    SynthesisOptions given;
    given.min_frames = min_frames;
    given.max_frames = 10;
    return resolve_options(given, testing::tiny_metadata()).value().draw.min_new_tokens;
  };
  EXPECT_EQ(tokens(0), 2);
  EXPECT_EQ(tokens(1), 2);
  EXPECT_EQ(tokens(10), 10);
}

TEST(ResolvedOptionsTest, OnlyAGivenLimitCountsOverAllPieces) {
  const auto limits_utterance = [](std::optional<int64_t> max_new_tokens, std::optional<int64_t> max_frames) {
    SynthesisOptions given;
    given.max_new_tokens = max_new_tokens;
    given.max_frames = max_frames;
    return resolve_options(given, testing::tiny_metadata()).value().limits_utterance;
  };
  EXPECT_FALSE(limits_utterance({}, {}));
  EXPECT_TRUE(limits_utterance(100, {}));
  EXPECT_TRUE(limits_utterance({}, 100));
}

TEST(ResolvedOptionsTest, SetValuesWin) {
  SynthesisOptions given;
  given.text_layout = TextLayout::kStreaming;
  given.temperature = 0.0F;
  given.top_k = 3;
  given.subtalker_top_k = 0;
  const auto options = resolve_options(given, testing::tiny_metadata());
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->text_layout, TextLayout::kStreaming);
  EXPECT_EQ(options->draw.talker.temperature, 0.0F);
  EXPECT_EQ(options->draw.talker.top_k, 3);
  EXPECT_EQ(options->draw.subtalker.top_k, 0);
}

TEST(ResolvedOptionsTest, TopKAboveTheVocabularyIsTheVocabulary) {
  SynthesisOptions given;
  given.subtalker_top_k = std::numeric_limits<int64_t>::max();
  const auto options = resolve_options(given, testing::tiny_metadata());
  ASSERT_TRUE(options.ok());
  EXPECT_EQ(options->draw.subtalker.top_k, 8);
}

struct BadOption {
  const char* name;
  const char* value;  ///< As the message shows it.
  std::function<void(SynthesisOptions&)> set;
};

TEST(ResolvedOptionsTest, BadValuesAreNamed) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const BadOption cases[] = {
      {"temperature", "-0.5", [](auto& o) { o.temperature = -0.5F; }},
      {"temperature", "nan", [&](auto& o) { o.temperature = nan; }},
      {"temperature", "inf", [&](auto& o) { o.temperature = infinity; }},
      {"top_k", "-1", [](auto& o) { o.top_k = -1; }},
      {"top_p", "0", [](auto& o) { o.top_p = 0.0F; }},
      {"top_p", "1.5", [](auto& o) { o.top_p = 1.5F; }},
      {"top_p", "nan", [&](auto& o) { o.top_p = nan; }},
      {"repetition_penalty", "0", [](auto& o) { o.repetition_penalty = 0.0F; }},
      {"repetition_penalty", "inf", [&](auto& o) { o.repetition_penalty = infinity; }},
      {"subtalker_temperature", "-1", [](auto& o) { o.subtalker_temperature = -1.0F; }},
      {"subtalker_top_k", "-2", [](auto& o) { o.subtalker_top_k = -2; }},
      {"subtalker_top_p", "-0.1", [](auto& o) { o.subtalker_top_p = -0.1F; }},
      {"max_new_tokens", "0", [](auto& o) { o.max_new_tokens = 0; }},
      {"min_frames", "-1", [](auto& o) { o.min_frames = -1; }},
      {"min_frames", "8192", [](auto& o) { o.min_frames = 8192; }},
      {"min_frames", "11", [](auto& o) { o.min_frames = 11, o.max_frames = 10; }},
      {"frame_budget", "-1", [](auto& o) { o.frame_budget = -1; }},
      {"paragraph_pause", "-0.1", [](auto& o) { o.paragraph_pause = -0.1; }},
      {"paragraph_pause", "60.5", [](auto& o) { o.paragraph_pause = 60.5; }},
      {"paragraph_pause", "nan", [&](auto& o) { o.paragraph_pause = nan; }},
      {"first_chunk_frames", "0", [](auto& o) { o.first_chunk_frames = 0; }},
      {"chunk_frames", "-4", [](auto& o) { o.chunk_frames = -4; }},
  };
  for (const BadOption& bad : cases) {
    SynthesisOptions given;
    bad.set(given);
    const auto options = resolve_options(given, testing::tiny_metadata());
    ASSERT_FALSE(options.ok()) << bad.name << " " << bad.value;
    EXPECT_EQ(options.error().code, ErrorCode::kInvalidArgument);
    const std::string expected = std::string(bad.name) + " is " + bad.value + ";";
    EXPECT_NE(options.error().message.find(expected), std::string::npos) << options.error().message;
  }
}

}  // namespace
}  // namespace qwen3_tts
