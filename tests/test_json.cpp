#include <qwen3_tts/json.h>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <qwen3_tts/voice_encoder.h>
#include <nlohmann/json.hpp>

#include "base/names.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using nlohmann::json;

/// Why `text` is refused as a request with options.
std::string error_of(const std::string& text) {
  SynthesisRequest request;
  SynthesisOptions options;
  const Status status = from_json(text, request, options);
  EXPECT_TRUE(status.ok() || status.error().code == ErrorCode::kInvalidArgument);
  return status.ok() ? "none" : status.error().message;
}

TEST(JsonTest, RequestAndOptionsMayShareAnObject) {
  SynthesisRequest request;
  SynthesisOptions options;
  ASSERT_TRUE(from_json(R"({"text": "Grüß dich.", "speaker": "ryan", "voice_mode": "icl", "seed": 18446744073709551615,
                            "top_p": 0.5, "long_text": "split", "trim_silence": true, "max_frames": 9})",
                        request, options)
                  .ok());
  EXPECT_EQ(request.text, "Grüß dich.");
  EXPECT_EQ(request.speaker, "ryan");
  EXPECT_EQ(request.voice_mode, VoiceMode::kInContext);
  EXPECT_EQ(options.seed, UINT64_MAX);
  EXPECT_EQ(options.top_p, 0.5F);
  EXPECT_EQ(options.long_text, LongText::kSplit);
  EXPECT_TRUE(options.trim_silence);
  EXPECT_EQ(options.max_frames, 9);
}

TEST(JsonTest, WhatIsNotNamedStays) {
  SynthesisRequest request;
  request.language = "german";
  request.voice = std::make_shared<const Voice>();
  SynthesisOptions options;
  options.top_k = 7;
  options.temperature = 0.5F;
  ASSERT_TRUE(from_json(R"({"text": "Hallo.", "temperature": null})", request, options).ok());
  EXPECT_EQ(request.language, "german");
  EXPECT_NE(request.voice, nullptr);
  EXPECT_EQ(options.top_k, 7);
  EXPECT_FALSE(options.temperature.has_value()) << "null unsets";
}

TEST(JsonTest, RequestComesBackAsItWent) {
  SynthesisRequest request;
  request.text = "\"Quoted\"\n\tand more: \xF0\x9F\x8E\xA4";
  request.markup = true;
  request.language = "english";
  request.instruct = "Whispering.";
  request.voice_mode = VoiceMode::kXVector;
  SynthesisRequest read;
  ASSERT_TRUE(from_json(to_json(request), read).ok());
  EXPECT_EQ(read.text, request.text);
  EXPECT_TRUE(read.markup);
  EXPECT_EQ(read.language, request.language);
  EXPECT_EQ(read.instruct, request.instruct);
  EXPECT_EQ(read.voice_mode, request.voice_mode);
  EXPECT_EQ(to_json(read), to_json(request));
}

TEST(JsonTest, OptionsComeBackAsTheyWent) {
  SynthesisOptions options;
  options.text_layout = TextLayout::kFull;
  options.long_text = LongText::kSplit;
  options.paragraph_pause = 0.25;
  options.max_new_tokens = 1;
  options.max_frames = 2;
  options.min_frames = 3;
  options.frame_budget = 4;
  options.temperature = 0.1F;
  options.top_k = 5;
  options.top_p = 0.3F;
  options.repetition_penalty = 1.1F;
  options.subtalker_temperature = 0.7F;
  options.subtalker_top_k = 6;
  options.subtalker_top_p = 0.9F;
  options.seed = UINT64_MAX;
  options.first_chunk_frames = 8;
  options.chunk_frames = 9;
  options.ahead = 7;
  options.trim_silence = true;
  options.codes_only = true;
  SynthesisOptions read;
  ASSERT_TRUE(from_json(to_json(options), read).ok());
  EXPECT_EQ(to_json(read), to_json(options));
  EXPECT_EQ(read.temperature, options.temperature) << "the same bits";
  EXPECT_EQ(json::parse(to_json(options)).size(), 20U) << "every member";
  EXPECT_EQ(json::parse(to_json(SynthesisOptions())).size(), 9U) << "none that is unset";
}

TEST(JsonTest, WrongValuesAreNamed) {
  EXPECT_EQ(error_of(R"({"text": 7})"), "key 'text' must be a string in quotes");
  EXPECT_EQ(error_of(R"({"top_k": "7"})"), "key 'top_k' must be a whole number");
  EXPECT_EQ(error_of(R"({"top_k": 7.5})"), "key 'top_k' must be a whole number");
  EXPECT_EQ(error_of(R"({"top_p": "half"})"), "key 'top_p' must be a number");
  EXPECT_EQ(error_of(R"({"seed": -1})"),
            "key 'seed' must be a whole number of 0 or more, and below 2^64, or \"random\"");
  EXPECT_EQ(error_of(R"({"seed": null})"),
            "key 'seed' must be a whole number of 0 or more, and below 2^64, or \"random\"");
  EXPECT_EQ(error_of(R"({"trim_silence": 1})"), "key 'trim_silence' must be true or false");
  EXPECT_EQ(error_of(R"({"voice_mode": "both"})"),
            "key 'voice_mode' 'both' is none of its values; write \"xvector\" or \"icl\"");
}

TEST(JsonTest, RandomSeedIsDrawnOnce) {
  SynthesisOptions options;
  ASSERT_TRUE(from_json(R"({"seed": "random"})", options).ok());
  SynthesisOptions other;
  ASSERT_TRUE(from_json(R"({"seed": "random"})", other).ok());
  EXPECT_NE(options.seed, other.seed);
  EXPECT_LE(std::max(options.seed, other.seed), UINT32_MAX);
  EXPECT_EQ(json::parse(to_json(options))["seed"], options.seed) << "the number, so that it can be given again";
}

TEST(JsonTest, UnknownKeysAreRefusedWithThoseThatThereAre) {
  EXPECT_EQ(error_of(R"({"text": "a", "sped": 2})")
                .rfind("there is no key 'sped'; use text, markup, open_text, language, speaker,", 0),
            0U);
  SynthesisRequest request;
  const Status status = from_json(R"({"top_k": 2})", request);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message,
            "there is no key 'top_k'; use text, markup, open_text, language, speaker, instruct, voice_mode");
}

TEST(JsonTest, WhatIsNoObjectIsRefused) {
  const std::string nested(100, '[');
  const std::vector<std::string> texts = {"",
                                          "[]",
                                          "{",
                                          R"({"text": "a"} x)",
                                          R"({"text": "a", "text": "b"})",
                                          "{\"text\": \"\xFF\"}",
                                          R"({"text": )" + nested};
  for (const std::string& text : texts) {
    EXPECT_EQ(error_of(text).rfind("this is no JSON object", 0), 0U) << text;
  }
}

TEST(JsonTest, StatisticsHaveEveryMember) {
  SynthesisStats stats;
  stats.frames = 12;
  stats.total_ms = 1.5;
  stats.finish_reason = FinishReason::kFrameBudget;
  const json object = json::parse(to_json(stats));
  EXPECT_EQ(object.size(), 21U);
  EXPECT_EQ(object["frames"], 12);
  EXPECT_EQ(object["total_ms"], 1.5);
  EXPECT_EQ(object["finish_reason"], "frame_budget");
}

TEST(JsonTest, ModelInfoTellsWhatARequestMayName) {
  const json info = json::parse(to_json(testing::must(read_model_info(testing::model_path("tiny-customvoice")))));
  EXPECT_EQ(info["model_type"], "custom_voice");
  EXPECT_EQ(info["languages"][0], "auto");
  EXPECT_NE(std::find(info["speakers"].begin(), info["speakers"].end(), "ryan"), info["speakers"].end());
  EXPECT_EQ(info["default_speaker"], "");
  EXPECT_FALSE(info["takes_voices"]);
  EXPECT_EQ(info["defaults"]["text_layout"], to_string(TextLayout::kFull));
  EXPECT_EQ(info["methods"][0]["name"], "encode_text");
  SynthesisOptions options;
  EXPECT_TRUE(from_json(info["defaults"].dump(), options).ok()) << "the defaults are options";
}

TEST(NamesTest, EveryValueHasAName) {
  EXPECT_STREQ(to_string(FinishReason::kStopped), "stopped");
  EXPECT_EQ(value_named<FinishReason>("stopped"), FinishReason::kStopped);
  EXPECT_EQ(value_named<TextLayout>("fully"), std::nullopt);
  EXPECT_EQ(names_of<TextLayout>(), "\"streaming\" or \"full\"");
}

TEST(JsonTest, EngineOptionsHaveEveryMember) {
  EngineOptions options;
  ASSERT_TRUE(from_json(R"({"model_path": "a.pte", "model_fd": 5, "model_offset": 9, "model_length": 7,
                            "data_path": "b.ptd", "cuda_graphs": false, "num_threads": 2, "max_batch": 3,
                            "fused_code_predictor": false, "weight_cache": "c.cache", "prefix_cache_bytes": 4294967296,
                            "tokenizer_path": "d.json", "verify": "never", "profile": true})",
                        options)
                  .ok());
  EXPECT_EQ(options.model_path, "a.pte");
  EXPECT_EQ(options.model_fd, 5);
  EXPECT_EQ(options.model_offset, 9);
  EXPECT_EQ(options.model_length, 7);
  EXPECT_EQ(options.data_path, "b.ptd");
  EXPECT_FALSE(options.cuda_graphs);
  EXPECT_EQ(options.num_threads, 2);
  EXPECT_EQ(options.max_batch, 3);
  EXPECT_FALSE(options.fused_code_predictor);
  EXPECT_EQ(options.weight_cache, "c.cache");
  EXPECT_EQ(options.prefix_cache_bytes, size_t{1} << 32);
  EXPECT_EQ(options.tokenizer_path, "d.json");
  EXPECT_EQ(options.verify, Verify::kNever);
  EXPECT_TRUE(options.profile);
  ASSERT_TRUE(from_json(R"({"num_threads": 3})", options).ok());
  EXPECT_EQ(options.model_path, "a.pte") << "what is not named stays";
}

TEST(JsonTest, WrongEngineOptionsAreNamed) {
  EngineOptions options;
  const auto error = [&](const char* text) { return from_json(text, options).error().message; };
  EXPECT_EQ(error(R"({"num_threads": 2147483648})"), "key 'num_threads' must be a whole number below 2^31");
  EXPECT_EQ(error(R"({"num_threads": 1.5})"), "key 'num_threads' must be a whole number");
  EXPECT_EQ(error(R"({"prefix_cache_bytes": -1})"),
            "key 'prefix_cache_bytes' must be a whole number of 0 or more, and below 2^64");
  EXPECT_EQ(error(R"({"threads": 2})"),
            "there is no key 'threads'; use model_path, model_fd, model_offset, model_length, data_path, cuda_graphs, "
            "num_threads, "
            "max_batch, fused_code_predictor, weight_cache, prefix_cache_bytes, tokenizer_path, verify, profile");
  EXPECT_NE(error("a.pte").find(R"(write {"model_path": "model.pte"})"), std::string::npos);
  EXPECT_EQ(options.num_threads, 0);
}

TEST(JsonTest, VoiceEncoderOptionsHaveEveryMember) {
  VoiceEncoderOptions options;
  ASSERT_TRUE(from_json(R"({"path": "a.pte", "num_threads": 2})", options).ok());
  EXPECT_EQ(options.path, "a.pte");
  EXPECT_EQ(options.num_threads, 2);
  EXPECT_EQ(from_json(R"({"model_path": "a.pte"})", options).error().message,
            "there is no key 'model_path'; use path, num_threads");
}

TEST(JsonTest, CapacityIsWritten) {
  EXPECT_EQ(to_json(EngineCapacity{1, 8, 2, 3, 4}),
            R"({"max_sessions":1,"max_batch":8,"num_sessions":2,"session_bytes":3,"position_bytes":4})");
}

}  // namespace
}  // namespace qwen3_tts
