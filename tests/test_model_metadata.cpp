#include <qwen3_tts/model_metadata.h>

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

using nlohmann::json;
using testing::tiny_contract;

/// The error of parsing `text`; an empty message when there is none.
Error parse_error(const std::string& text) {
  const auto parsed = ModelMetadata::parse(text);
  return parsed.ok() ? Error{ErrorCode::kInvalidModel, ""} : parsed.error();
}

void expect_refused(const json& contract, const std::vector<std::string>& words) {
  const Error error = parse_error(contract.dump());
  EXPECT_EQ(error.code, ErrorCode::kInvalidModel);
  EXPECT_NE(error.message.find("re-export with export_unified.py"), std::string::npos) << error.message;
  for (const std::string& word : words) {
    EXPECT_NE(error.message.find(word), std::string::npos) << "'" << word << "' is not in: " << error.message;
  }
}

TEST(ModelMetadataTest, ReadsEveryField) {
  const auto parsed = ModelMetadata::parse(tiny_contract().dump());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  const ModelMetadata& m = *parsed;
  EXPECT_EQ(m.contract_version, 3);
  EXPECT_EQ(m.recipe, (std::map<std::string, std::string>{}));
  EXPECT_EQ(m.model_type, "custom_voice");
  EXPECT_EQ(m.model_size, "0b6");
  EXPECT_EQ(m.sample_rate, 24000);
  EXPECT_EQ(m.samples_per_frame, 1920);
  EXPECT_EQ(m.num_code_groups, 4);
  EXPECT_EQ(m.code_vocab_size, 8);
  EXPECT_EQ(m.talker_vocab_size, 24);
  EXPECT_EQ(m.text_vocab_size, 100);
  EXPECT_EQ(m.hidden_size, 3);
  EXPECT_EQ(m.code_predictor_hidden_size, 2);
  EXPECT_EQ(m.max_seq_len, 64);
  EXPECT_EQ(m.max_rows, 8);
  EXPECT_EQ(m.max_batch, 4);
  EXPECT_EQ(m.max_decode_frames, 4);
  EXPECT_EQ(m.group_offsets, (std::vector<int64_t>{0, 24, 32, 40}));
  EXPECT_EQ(m.role_ids, (std::vector<int64_t>{90, 70, 10}));
  EXPECT_EQ(m.instruct_prefix_ids, (std::vector<int64_t>{90, 71, 10}));
  EXPECT_EQ(m.instruct_suffix_ids, (std::vector<int64_t>{91, 10}));
  EXPECT_EQ((std::vector<int64_t>{m.tts_pad_id, m.tts_bos_id, m.tts_eos_id}), (std::vector<int64_t>{95, 96, 97}));
  EXPECT_EQ((std::vector<int64_t>{m.codec_pad_id, m.codec_bos_id, m.codec_eos_id, m.codec_think_id, m.codec_nothink_id,
                                  m.codec_think_bos_id, m.codec_think_eos_id}),
            (std::vector<int64_t>{8, 9, 10, 11, 12, 13, 14}));
  EXPECT_EQ(m.languages, (std::map<std::string, int64_t>{{"english", 15}, {"chinese", 16}, {"sichuan_dialect", 17}}));
  EXPECT_EQ(m.dialects, (std::vector<std::string>{"sichuan_dialect"}));
  EXPECT_EQ(m.speakers, (std::map<std::string, int64_t>{{"ryan", 20}, {"eric", 21}}));
  EXPECT_EQ(m.speaker_dialects, (std::map<std::string, std::string>{{"eric", "sichuan_dialect"}}));
  EXPECT_TRUE(m.supports_instruct);
  EXPECT_EQ(m.text_layout, TextLayout::kFull);
  EXPECT_EQ((std::vector<float>{m.temperature, m.top_p, m.repetition_penalty}),
            (std::vector<float>{0.9f, 1.0f, 1.05f}));
  EXPECT_EQ((std::vector<float>{m.subtalker_temperature, m.subtalker_top_p}), (std::vector<float>{0.8f, 0.95f}));
  EXPECT_EQ((std::vector<int64_t>{m.top_k, m.subtalker_top_k, m.min_new_tokens, m.max_new_tokens}),
            (std::vector<int64_t>{50, 40, 2, 8192}));
  EXPECT_EQ(m.max_piece_tokens, 24);
  EXPECT_EQ(m.max_piece_sentences, 3);
}

TEST(ModelMetadataTest, APieceNeedNotBeStated) {
  json contract = tiny_contract();
  contract["max_piece_tokens"] = contract["max_piece_sentences"] = nullptr;
  const auto parsed = ModelMetadata::parse(contract.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->max_piece_tokens, std::nullopt);
  EXPECT_EQ(parsed->max_piece_sentences, std::nullopt);
}

TEST(ModelMetadataTest, NamesKeepTheirSpelling) {
  json contract = tiny_contract();
  contract["languages"] = {{"English", 15}};
  contract["dialects"] = json::array();
  contract["speakers"] = {{"Анна", 20}};
  contract["speaker_dialects"] = json::object();
  const auto parsed = ModelMetadata::parse(contract.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->languages.count("English"), 1);
  EXPECT_EQ(parsed->speakers.count("Анна"), 1);
}

TEST(ModelMetadataTest, TwoSpellingsOfOneNameAreRefused) {
  json contract = tiny_contract();
  contract["speakers"] = {{"Анна", 20}, {"АННА", 21}};
  contract["speaker_dialects"] = json::object();
  expect_refused(contract, {"'speakers'", "'АННА' and 'Анна'"});
  contract = tiny_contract();
  contract["languages"] = {{"STRASSE", 15}, {"straße", 16}};
  expect_refused(contract, {"'languages'", "'STRASSE' and 'straße'"});
}

TEST(ModelMetadataTest, ReadsStreamingLayout) {
  json contract = tiny_contract();
  contract["text_layout"] = "streaming";
  const auto parsed = ModelMetadata::parse(contract.dump());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->text_layout, TextLayout::kStreaming);
}

TEST(ModelMetadataTest, EveryKeyIsRequired) {
  const json whole = tiny_contract();
  for (const auto& [key, value] : whole.items()) {
    json contract = whole;
    contract.erase(key);
    expect_refused(contract, {"'" + key + "'", "missing"});
  }
}

TEST(ModelMetadataTest, EveryKeyIsTyped) {
  const json whole = tiny_contract();
  for (const auto& [key, value] : whole.items()) {
    json contract = whole;
    const bool may_be_null = key == "max_piece_tokens" || key == "max_piece_sentences";
    contract[key] = may_be_null ? json("24") : json(nullptr);
    expect_refused(contract, {key == "contract_version" ? key : "'" + key + "'", contract[key].dump()});
  }
}

TEST(ModelMetadataTest, IntegersAreNotRounded) {
  const json whole = tiny_contract();
  for (const auto& [key, value] : whole.items()) {
    if (value.is_number_integer() && key != "contract_version") {
      json contract = whole;
      contract[key] = value.get<double>() + 0.5;
      expect_refused(contract, {"'" + key + "'"});
    }
  }
}

TEST(ModelMetadataTest, OtherVersionNamesBoth) {
  json contract = tiny_contract();
  contract["contract_version"] = 7;
  expect_refused(contract, {"contract_version 7", "version 3", "take a newer runner"});
  contract["contract_version"] = 0;
  expect_refused(contract, {"contract_version 0", "version 3"});
}

TEST(ModelMetadataTest, RecipeIsText) {
  json contract = tiny_contract();
  contract["recipe"] = {{"backend", "xnnpack"}, {"group_size", 32}, {"is_fast", true}, {"codec", nullptr}};
  const auto parsed = ModelMetadata::parse(contract.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->recipe, (std::map<std::string, std::string>{
                                {"backend", "xnnpack"}, {"group_size", "32"}, {"is_fast", "true"}, {"codec", "null"}}));
}

TEST(ModelMetadataTest, ValuesOutOfRangeAreRefused) {
  const std::vector<std::pair<std::string, json>> cases = {
      {"model_type", "singer"},
      {"model_size", ""},
      {"sample_rate", 0},
      {"num_code_groups", 1},
      {"max_seq_len", 0},
      {"max_rows", 1},
      {"max_batch", 0},
      {"max_decode_frames", 0},
      {"hidden_size", -1},
      {"text_vocab_size", std::numeric_limits<int64_t>::max()},
      {"text_vocab_size", std::numeric_limits<uint64_t>::max()},
      {"group_offsets", {0, 24, 32}},
      {"group_offsets", {1, 24, 32, 40}},
      {"group_offsets", {0, 23, 32, 40}},
      {"group_offsets", {0, 24, 31, 40}},
      {"group_offsets", {0, 24, 32, "40"}},
      {"role_ids", json::array()},
      {"role_ids", {90, 100}},
      {"instruct_prefix_ids", {-1}},
      {"tts_pad_id", 100},
      {"codec_pad_id", 24},
      {"codec_eos_id", 7},
      {"languages", {{"english", 24}}},
      {"languages", {{"", 15}}},
      {"max_piece_tokens", 0},
      {"max_piece_sentences", 1.5},
      {"languages", json::array({1})},
      {"dialects", {"klingon"}},
      {"speakers", {{"ryan", -1}}},
      {"speaker_dialects", {{"eric", "klingon"}}},
      {"speaker_dialects", {{"nobody", "sichuan_dialect"}}},
      {"supports_instruct", 1},
      {"text_layout", "sideways"},
      {"temperature", -0.1},
      {"temperature", 1e39},
      {"top_p", 0},
      {"top_p", 1.01},
      {"repetition_penalty", 0},
      {"top_k", -1},
      {"min_new_tokens", -1},
      {"max_new_tokens", 0},
  };
  for (const auto& [key, value] : cases) {
    json contract = tiny_contract();
    contract[key] = value;
    expect_refused(contract, {key});
  }
}

TEST(ModelMetadataTest, GreedyAndOffValuesAreAllowed) {
  json contract = tiny_contract();
  contract["temperature"] = 0;
  contract["top_k"] = 0;
  contract["languages"] = json::object();
  contract["dialects"] = json::array();
  contract["speakers"] = json::object();
  contract["speaker_dialects"] = json::object();
  const auto parsed = ModelMetadata::parse(contract.dump());
  ASSERT_TRUE(parsed.ok()) << parsed.error().message;
  EXPECT_EQ(parsed->temperature, 0.0f);
}

TEST(ModelMetadataTest, DamagedJsonIsRefused) {
  const std::string text = tiny_contract().dump();
  const std::string invalid_utf8 = "{\"model_type\": \"\xff\"}";
  for (const std::string& damaged : {std::string(), std::string("[]"), std::string("null"), invalid_utf8,
                                     text.substr(0, text.size() - 1), text + "}", std::string(100000, '[')}) {
    EXPECT_NE(parse_error(damaged).message.find("not a valid JSON object"), std::string::npos);
  }
}

TEST(ModelMetadataTest, EveryTruncationIsRefused) {
  const std::string text = tiny_contract().dump();
  for (size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(ModelMetadata::parse(std::string_view(text).substr(0, size)).ok()) << size;
  }
}

TEST(ModelMetadataTest, KeyGivenTwiceIsRefused) {
  std::string text = tiny_contract().dump();
  text.insert(1, "\"top_k\": 1, ");
  EXPECT_NE(parse_error(text).message, "");
}

}  // namespace
}  // namespace qwen3_tts
