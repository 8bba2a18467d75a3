#include <qwen3_tts/voice.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "temp_folder.h"
#include "test_models.h"
#include "tiny_contract.h"

namespace qwen3_tts {
namespace {

using nlohmann::json;

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

/// The parts of a safetensors file, each of which a test may spoil.
struct Parts {
  json header;
  std::string data;

  std::string file() const { return with_header(header.dump()); }
  std::string with_header(const std::string& text) const { return bytes_of<uint64_t>({text.size()}) + text + data; }
};

/// Voices for the tiny model: width 3, 4 code groups of 8 codes, 100 text ids.
class VoiceTest : public ::testing::Test {
 protected:
  static ModelMetadata base_metadata() {
    ModelMetadata metadata = testing::tiny_metadata();
    metadata.model_type = "base";
    return metadata;
  }

  const ModelMetadata metadata_ = base_metadata();
  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("a.voice");

  static json tensor(const std::string& dtype, const std::vector<int64_t>& shape, size_t begin, size_t end) {
    return {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }

  static Parts x_vector_only() {
    Parts parts;
    parts.header["__metadata__"] = {{"format", "qwen3_tts_voice"}, {"format_version", "1"}, {"name", "Ann"},
                                    {"language", "english"},       {"hidden_size", "3"},    {"model_type", "base"}};
    parts.header["x_vector"] = tensor("F32", {3}, 0, 12);
    parts.data = bytes_of<float>({0.5f, -1.0f, 2.0f});
    return parts;
  }

  static Parts in_context() {
    Parts parts = x_vector_only();
    parts.header["codes"] = tensor("I32", {2, 4}, 12, 44);
    parts.header["text_ids"] = tensor("I32", {3}, 44, 56);
    parts.data += bytes_of<int32_t>({0, 1, 2, 3, 4, 5, 6, 7}) + bytes_of<int32_t>({0, 50, 99});
    return parts;
  }

  Result<Voice> load(const std::string& bytes) const {
    testing::write_bytes(path_, bytes);
    return Voice::load(path_, metadata_);
  }

  /// Whatever the bytes are, both readers answer, and what they take can be saved.
  void expect_survived(const std::string& bytes) const {
    testing::write_bytes(path_, bytes);
    const auto voice = Voice::read(path_);
    const auto fitting = Voice::load(path_, metadata_);
    EXPECT_TRUE(voice.ok() || !fitting.ok());
    const Status saved = voice.ok() ? voice->save(path_) : voice.error();
    EXPECT_TRUE(saved.ok() == voice.ok()) << saved.error().message;
    EXPECT_TRUE(saved.ok() || saved.error().message.find(path_) != std::string::npos) << saved.error().message;
  }

  void expect_refused(const std::string& bytes, const std::string& word) const {
    const auto voice = load(bytes);
    ASSERT_FALSE(voice.ok()) << "expected: " << word;
    EXPECT_EQ(voice.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(voice.error().message.find(path_), std::string::npos) << voice.error().message;
    EXPECT_NE(voice.error().message.find(word), std::string::npos) << voice.error().message;
  }

  void expect_refused(const std::function<void(Parts&)>& spoil, const std::string& word) const {
    Parts parts = in_context();
    spoil(parts);
    expect_refused(parts.file(), word);
  }
};

TEST_F(VoiceTest, ReadsAnXVectorVoice) {
  const auto voice = load(x_vector_only().file());
  ASSERT_TRUE(voice.ok()) << voice.error().message;
  EXPECT_EQ(voice->name, "Ann");
  EXPECT_EQ(voice->language, "english");
  EXPECT_EQ(voice->x_vector, (std::vector<float>{0.5f, -1.0f, 2.0f}));
  EXPECT_TRUE(voice->codes.empty());
  EXPECT_TRUE(voice->text_ids.empty());
}

TEST_F(VoiceTest, ReadsAnInContextVoice) {
  const auto voice = load(in_context().file());
  ASSERT_TRUE(voice.ok()) << voice.error().message;
  EXPECT_EQ(voice->codes, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(voice->text_ids, (std::vector<int64_t>{0, 50, 99}));
}

TEST_F(VoiceTest, LanguageMayBeAuto) {
  Parts parts = x_vector_only();
  parts.header["__metadata__"]["language"] = "auto";
  EXPECT_TRUE(load(parts.file()).ok());
}

TEST_F(VoiceTest, HeaderMayBePadded) {
  const Parts parts = x_vector_only();
  EXPECT_TRUE(load(parts.with_header(parts.header.dump() + "     ")).ok());
}

TEST_F(VoiceTest, MissingFileIsAnIoError) {
  const auto voice = Voice::load(path_, metadata_);
  ASSERT_FALSE(voice.ok());
  EXPECT_EQ(voice.error().code, ErrorCode::kIo);
}

TEST_F(VoiceTest, EveryTruncationIsRefused) {
  const std::string bytes = in_context().file();
  for (size_t size = 0; size < bytes.size(); ++size) {
    expect_refused(bytes.substr(0, size), "");
    EXPECT_FALSE(Voice::read(path_).ok());
  }
  expect_refused(bytes + "x", "do not cover");
}

TEST_F(VoiceTest, EveryFlippedByteIsSurvived) {
  const std::string bytes = in_context().file();
  for (size_t position = 0; position < bytes.size(); ++position) {
    for (const char flip : {'\x01', '\x20', '\x80', '\xff'}) {
      std::string damaged = bytes;
      damaged[position] = static_cast<char>(damaged[position] ^ flip);
      expect_survived(damaged);
    }
  }
}

TEST_F(VoiceTest, HeapsOfDamageAreSurvived) {
  const std::string bytes = in_context().file();
  std::mt19937 random(7);  // NOLINT(bugprone-random-generator-seed): the same damage every time
  for (int round = 0; round < 1000; ++round) {
    std::string damaged = bytes;
    for (size_t i = 0; i < 1 + random() % 8; ++i) {
      const size_t position = random() % damaged.size();
      switch (random() % 4) {
        case 0:
          damaged[position] = static_cast<char>(random());
          break;
        case 1:
          damaged.erase(position, 1 + random() % 16);
          break;
        case 2:
          damaged.insert(position, damaged.substr(random() % damaged.size(), random() % 16));
          break;
        default:
          damaged[position] = "0123456789[]{}\",:-"[random() % 18];
      }
      if (damaged.empty()) {
        break;
      }
    }
    expect_survived(damaged);
  }
}

TEST_F(VoiceTest, HugeLengthsAreRefused) {
  const Parts parts = in_context();
  const std::string rest = parts.file().substr(8);
  const uint64_t size = parts.header.dump().size();
  for (const uint64_t length : {uint64_t{0}, size - 1, size + 1, uint64_t{1} << 31, (uint64_t{1} << 63) - 1,
                                uint64_t{1} << 63, ~uint64_t{0} - 7, ~uint64_t{0}}) {
    expect_refused(bytes_of<uint64_t>({length}) + rest, "");
  }
  for (const json& number : {json(uint64_t{1} << 31), json((uint64_t{1} << 62) - 1), json(uint64_t{1} << 63),
                             json(~uint64_t{0}), json(-1), json(1e300)}) {
    for (const char* name : {"x_vector", "codes", "text_ids"}) {
      expect_refused([&](Parts& spoilt) { spoilt.header[name]["shape"][0] = number; }, name);
      expect_refused([&](Parts& spoilt) { spoilt.header[name]["data_offsets"][0] = number; }, name);
      expect_refused([&](Parts& spoilt) { spoilt.header[name]["data_offsets"][1] = number; }, name);
    }
    expect_refused([&](Parts& spoilt) { spoilt.header["__metadata__"]["hidden_size"] = number.dump(); }, "hidden_size");
  }
}

TEST_F(VoiceTest, DeepNestingIsRefused) {
  for (const char* bracket : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 100000; ++i) {
      deep += bracket;
    }
    expect_refused(bytes_of<uint64_t>({deep.size()}) + deep, "not a JSON object");
  }
  const std::string closed = "{\"x_vector\":" + std::string(1000000, '[') + std::string(1000000, ']') + "}";
  expect_refused(bytes_of<uint64_t>({closed.size()}) + closed, "not a JSON object");
}

TEST_F(VoiceTest, ForeignFilesAreRefused) {
  const Parts parts = x_vector_only();
  expect_refused(std::string(8, '\xff') + "{}", "not a safetensors file");
  expect_refused(parts.with_header("[]"), "not a JSON object");
  expect_refused(parts.with_header("{"), "not a JSON object");
  expect_refused(parts.with_header(parts.header.dump() + "{}"), "not a JSON object");
  expect_refused(parts.with_header("{\"x_vector\": 1, \"x_vector\": 2}"), "not a JSON object");
}

TEST_F(VoiceTest, RecordingsAndModelsAreNamed) {
  using namespace std::string_literals;
  const std::string rest(64, '\x01');
  for (const auto& [start, format] : {
           std::pair{"RIFF\x24\x01\x02\x03WAVEfmt "s, "recording (WAV)"},
           std::pair{"RF64\xFF\xFF\xFF\xFFWAVEds64"s, "recording (WAV)"},
           std::pair{"fLaC\0\0\0\x22"s, "recording (FLAC)"},
           std::pair{"OggS\0\x02"s, "recording (Ogg)"},
           std::pair{"ID3\x04\0\0"s, "recording (MP3)"},
           std::pair{"\xFF\xFB\x90\x44"s, "recording (MP3)"},
           std::pair{"\0\0\0\x20"
                     "ftypM4A "s,
                     "recording (MP4)"},
       }) {
    expect_refused(start + rest, format);
    expect_refused(start + rest, "make a voice of it first, with qwen3_tts_voice create");
  }
  expect_refused(
      "\x1C\0\0\0"
      "ET12"s +
          rest,
      "it is a model file");
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull");
}

/// Its header's length begins like an MP3.
TEST_F(VoiceTest, AVoiceWhoseLengthLooksLikeARecordingIsRead) {
  Parts parts = x_vector_only();
  parts.header["__metadata__"]["note"] = std::string(0xFBFF - parts.header.dump().size() - 10, 'x');
  ASSERT_EQ(parts.file().substr(0, 2), "\xFF\xFB");
  EXPECT_TRUE(load(parts.file()).ok());
}

TEST_F(VoiceTest, MetadataMustFit) {
  const auto set = [](const char* key, const json& value) {
    return [=](Parts& parts) { parts.header["__metadata__"][key] = value; };
  };
  for (const char* key : {"format", "format_version", "name", "language", "hidden_size", "model_type"}) {
    expect_refused([&](Parts& parts) { parts.header["__metadata__"].erase(key); }, std::string("'") + key + "'");
    expect_refused(set(key, 1), "not a string");
  }
  expect_refused(set("format", "pt"), "not a voice file");
  expect_refused(set("format_version", "3"), "format_version is '3'");
  expect_refused(set("hidden_size", "2048"), "hidden_size is '2048'");
  expect_refused(set("model_type", "custom_voice"), "model_type is 'custom_voice'");
  expect_refused(set("language", "klingon"), "klingon");
  expect_refused([](Parts& parts) { parts.header["__metadata__"] = "x"; }, "metadata");
  expect_refused([](Parts& parts) { parts.header.erase("__metadata__"); }, "format");
}

TEST_F(VoiceTest, TensorsMustFit) {
  const auto set = [](const char* name, const json& value) {
    return [=](Parts& parts) { parts.header[name] = value; };
  };
  expect_refused(set("x_vector", tensor("F16", {6}, 0, 12)), "dtype");
  expect_refused(set("x_vector", tensor("I32", {3}, 0, 12)), "must be F32 [3], found I32 [3]");
  expect_refused(set("x_vector", tensor("F32", {1, 3}, 0, 12)), "found F32 [1, 3]");
  expect_refused(set("x_vector", tensor("F32", {4}, 0, 12)), "takes 16 bytes");
  expect_refused(set("codes", tensor("I32", {8}, 12, 44)), "must be I32 [N, 4]");
  expect_refused(set("codes", tensor("I32", {4, 2}, 12, 44)), "must be I32 [N, 4]");
  expect_refused(set("codes", tensor("F32", {2, 4}, 12, 44)), "must be I32 [N, 4]");
  expect_refused(set("text_ids", tensor("I32", {3, 1}, 44, 56)), "must be I32 [N]");
  expect_refused(set("x_vector", 3), "dtype");
  expect_refused(set("x_vector", json::object()), "dtype");
  expect_refused([](Parts& parts) { parts.header["x_vector"].erase("shape"); }, "shape");
  expect_refused([](Parts& parts) { parts.header["x_vector"]["shape"] = {-3}; }, "shape");
  expect_refused([](Parts& parts) { parts.header["x_vector"]["shape"] = {3.0}; }, "shape");
  expect_refused([](Parts& parts) { parts.header["x_vector"]["shape"] = {uint64_t{1} << 62, 4}; }, "shape");
  expect_refused([](Parts& parts) { parts.header["x_vector"]["shape"] = {~uint64_t{0}}; }, "shape");
  expect_refused([](Parts& parts) { parts.header["other"] = tensor("F32", {0}, 56, 56); }, "'other'");
}

TEST_F(VoiceTest, DataMustBeCoveredOnce) {
  const auto offsets = [](const char* name, const json& value) {
    return [=](Parts& parts) { parts.header[name]["data_offsets"] = value; };
  };
  expect_refused(offsets("x_vector", {12, 24}), "overlap");
  expect_refused(offsets("x_vector", {48, 60}), "truncated");
  expect_refused(offsets("x_vector", {12, 0}), "truncated");
  expect_refused(offsets("x_vector", {0}), "truncated");
  expect_refused(offsets("x_vector", {-12, 0}), "truncated");
  expect_refused(offsets("x_vector", {~uint64_t{0} - 11, 0}), "truncated");
  expect_refused([](Parts& parts) { parts.data += "1234"; }, "do not cover");
  expect_refused(
      [](Parts& parts) {
        parts.header.erase("codes");
        parts.header.erase("text_ids");
      },
      "do not cover");
}

TEST_F(VoiceTest, CodesAndTextIdsComeTogether) {
  Parts parts = in_context();
  parts.header.erase("text_ids");
  parts.data.resize(44);
  expect_refused(parts.file(), "together");
}

TEST_F(VoiceTest, EmptyReferenceIsRefused) {
  Parts parts = x_vector_only();
  parts.header["codes"] = tensor("I32", {0, 4}, 12, 12);
  parts.header["text_ids"] = tensor("I32", {0}, 12, 12);
  expect_refused(parts.file(), "must be I32 [N, 4], found I32 [0, 4]");
}

TEST_F(VoiceTest, OnlyBaseModelsTakeVoiceFiles) {
  testing::write_bytes(path_, x_vector_only().file());
  const auto voice = Voice::load(path_, testing::tiny_metadata());
  ASSERT_FALSE(voice.ok());
  EXPECT_NE(voice.error().message.find("a custom_voice model takes no voice files"), std::string::npos)
      << voice.error().message;
}

TEST_F(VoiceTest, MissingXVectorIsRefused) {
  Parts parts = x_vector_only();
  parts.header.erase("x_vector");
  parts.data.clear();
  expect_refused(parts.file(), "'x_vector' is missing");
}

TEST_F(VoiceTest, ValuesMustBeInRange) {
  const auto set = [](size_t offset, const std::string& bytes) {
    return [=](Parts& parts) { parts.data.replace(offset, bytes.size(), bytes); };
  };
  expect_refused(set(4, bytes_of<float>({std::nanf("")})), "value 1 of the x-vector is ");
  expect_refused(set(4, bytes_of<float>({std::numeric_limits<float>::infinity()})), "value 1 of the x-vector is ");
  expect_refused(set(12 + 20, bytes_of<int32_t>({8})), "code 8 of frame 1, group 1");
  expect_refused(set(12, bytes_of<int32_t>({-1})), "code -1 of frame 0, group 0");
  expect_refused(set(44, bytes_of<int32_t>({100})), "text id 100");
  expect_refused(set(44, bytes_of<int32_t>({-1})), "text id -1");
}

TEST_F(VoiceTest, IsReadWithoutAModel) {
  testing::write_bytes(path_, in_context().file());
  const auto voice = Voice::read(path_);
  ASSERT_TRUE(voice.ok()) << voice.error().message;
  EXPECT_EQ(voice->model_type, "base");
  EXPECT_EQ(voice->num_code_groups, 4);
  EXPECT_EQ(voice->codes.size(), 8U);
  EXPECT_EQ(voice->text_ids, (std::vector<int64_t>{0, 50, 99}));
}

TEST_F(VoiceTest, ReadingWithoutAModelChecksTheFileItself) {
  const auto expect_unreadable = [&](const std::function<void(Parts&)>& spoil, const std::string& word) {
    Parts parts = in_context();
    spoil(parts);
    testing::write_bytes(path_, parts.file());
    const auto voice = Voice::read(path_);
    ASSERT_FALSE(voice.ok()) << "expected: " << word;
    EXPECT_NE(voice.error().message.find(word), std::string::npos) << voice.error().message;
  };
  const auto set = [](const char* key, const json& value) {
    return [=](Parts& parts) { parts.header["__metadata__"][key] = value; };
  };
  const auto replace = [](size_t offset, const std::string& bytes) {
    return [=](Parts& parts) { parts.data.replace(offset, bytes.size(), bytes); };
  };
  expect_unreadable(set("format", "pt"), "not a voice file");
  expect_unreadable(set("format_version", "3"), "format_version is '3'");
  expect_unreadable(set("hidden_size", "2048"), "hidden_size is '2048', but must be '3'");
  for (const char* key : {"format", "format_version", "name", "language", "hidden_size", "model_type"}) {
    expect_unreadable([&](Parts& parts) { parts.header["__metadata__"].erase(key); }, std::string("'") + key + "'");
  }
  expect_unreadable(replace(4, bytes_of<float>({std::nanf("")})), "value 1 of the x-vector is ");
  expect_unreadable(replace(12, bytes_of<int32_t>({-1})), "below 0");
  expect_unreadable(replace(44, bytes_of<int32_t>({-1})), "text id -1");
}

void expect_equal(const Voice& left, const Voice& right) {
  EXPECT_EQ(left.name, right.name);
  EXPECT_EQ(left.language, right.language);
  EXPECT_EQ(left.model_type, right.model_type);
  EXPECT_EQ(left.x_vector, right.x_vector);
  EXPECT_EQ(left.codes, right.codes);
  EXPECT_EQ(left.num_code_groups, right.num_code_groups);
  EXPECT_EQ(left.text_ids, right.text_ids);
}

TEST_F(VoiceTest, WhatIsSavedIsReadAgain) {
  for (const Parts& parts : {x_vector_only(), in_context()}) {
    Voice voice = testing::must(load(parts.file()));
    voice.name = "Änne \"q\" \n\x01 漢";
    ASSERT_TRUE(voice.save(path_).ok());
    expect_equal(testing::must(Voice::load(path_, metadata_)), voice);
    expect_equal(testing::must(Voice::read(path_)), voice);
    const std::string bytes = testing::read_bytes(path_);
    uint64_t header_size = 0;
    std::memcpy(&header_size, bytes.data(), sizeof(header_size));
    EXPECT_EQ(header_size % 8, 0U);
    EXPECT_EQ(bytes.substr(8 + header_size), parts.data);
  }
}

/// What is saved has a digest: a wrong bit is an error, or in what says nothing.
TEST_F(VoiceTest, EveryWrongBitOfASavedVoiceIsNoticed) {
  const Voice good = testing::must(load(in_context().file()));
  ASSERT_TRUE(good.save(path_).ok());
  const std::string whole = testing::read_bytes(path_);
  size_t num_refused = 0;
  for (size_t bit = 0; bit < 8 * whole.size(); bit += 5) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    testing::write_bytes(path_, damaged);
    const auto voice = Voice::read(path_);
    if (voice.ok()) {
      expect_equal(*voice, good);
    }
    num_refused += voice.ok() ? 0 : 1;
  }
  EXPECT_GT(num_refused, 8 * whole.size() / 5 * 9 / 10);
  testing::write_bytes(path_, whole.substr(0, whole.size() - 4) + std::string(4, '\0'));
  const auto voice = Voice::read(path_);
  ASSERT_FALSE(voice.ok());
  EXPECT_NE(voice.error().message.find("it is damaged: its digest is not that of its content; copy or make"),
            std::string::npos)
      << voice.error().message;
}

TEST_F(VoiceTest, TheVersionSaysWhetherThereIsADigest) {
  const auto set = [](const char* key, const json& value) {
    return [=](Parts& parts) { parts.header["__metadata__"][key] = value; };
  };
  EXPECT_TRUE(load(in_context().file()).ok()) << "version 1 has none";
  expect_refused(set("format_version", "2"), "its digest is not that of its content");
  expect_refused(set("digest", "0123456789abcdef"), "format_version is '1', but must be '2'");
}

TEST_F(VoiceTest, XVectorsOfAbsurdLengthAreRefused) {
  const auto with_value = [](float value) {
    Parts parts = in_context();
    parts.data.replace(4, 4, bytes_of<float>({value}));
    return parts.file();
  };
  EXPECT_TRUE(load(with_value(9.9e3F)).ok());
  expect_refused(with_value(1.1e4F), "the x-vector has the length 1.1e+04, and that of no voice is above 10000");
  expect_refused(with_value(-1e30F), "the x-vector has the length 1e+30");
  Voice voice = testing::must(load(in_context().file()));
  const auto mixed = Voice::mix({{voice, 1e6}}, "loud");
  ASSERT_FALSE(mixed.ok());
  EXPECT_NE(mixed.error().message.find("take smaller weights"), std::string::npos) << mixed.error().message;
  voice.x_vector[0] = 1e30F;
  EXPECT_FALSE(voice.save(path_).ok());
}

TEST_F(VoiceTest, ImpossibleVoicesAreNotSaved) {
  const Voice good = testing::must(load(in_context().file()));
  const auto expect_unsaved = [&](const std::function<void(Voice&)>& spoil, const std::string& word) {
    Voice voice = good;
    spoil(voice);
    const Status status = voice.save(folder_.file("bad.voice"));
    ASSERT_FALSE(status.ok()) << "expected: " << word;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(status.error().message.find("bad.voice"), std::string::npos) << status.error().message;
    EXPECT_NE(status.error().message.find(word), std::string::npos) << status.error().message;
    EXPECT_TRUE(testing::read_bytes(folder_.file("bad.voice")).empty());
  };
  expect_unsaved([](Voice& voice) { voice.x_vector.clear(); }, "x-vector");
  expect_unsaved([](Voice& voice) { voice.x_vector[1] = std::nanf(""); }, "x-vector");
  expect_unsaved([](Voice& voice) { voice.codes.clear(); }, "together");
  expect_unsaved([](Voice& voice) { voice.text_ids.clear(); }, "together");
  expect_unsaved([](Voice& voice) { voice.codes.pop_back(); }, "whole frames");
  expect_unsaved([](Voice& voice) { voice.num_code_groups = 0; }, "whole frames");
  expect_unsaved([](Voice& voice) { voice.codes[0] = -1; }, "from 0");
  expect_unsaved([](Voice& voice) { voice.text_ids[0] = int64_t{1} << 31; }, "from 0 to 2147483647");
  expect_unsaved([](Voice& voice) { voice.name = "b\xff"; }, "UTF-8");
}

TEST_F(VoiceTest, SavingReplacesOrFailsAsAWhole) {
  const Voice voice = testing::must(load(in_context().file()));
  const Status status = voice.save(folder_.file("none/a.voice"));
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("none/a.voice"), std::string::npos) << status.error().message;
  testing::write_bytes(path_, "old");
  ASSERT_TRUE(voice.save(path_).ok());
  expect_equal(testing::must(Voice::read(path_)), voice);
}

// ---------------------------------------------------------------------------------------------------------------------
// Mixing

Voice voice_of(const std::string& name, std::vector<float> x_vector) {
  Voice voice;
  voice.name = name;
  voice.language = "english";
  voice.model_type = "base";
  voice.x_vector = std::move(x_vector);
  return voice;
}

TEST(VoiceMixTest, IsTheWeightedSum) {
  Voice ann = voice_of("Ann", {1, 2});
  ann.codes = {1};
  ann.num_code_groups = 1;
  ann.text_ids = {2};
  const Voice mixed = testing::must(
      Voice::mix({{ann, 0.5}, {voice_of("Bob", {3, -2}), 0.25}, {voice_of("Eve", {-8, 0.5F}), 0.25}}, "All"));
  EXPECT_EQ(mixed.x_vector, (std::vector<float>{-0.75F, 0.625F}));
  EXPECT_EQ(mixed.name, "All");
  EXPECT_EQ(mixed.language, "english");
  EXPECT_EQ(mixed.model_type, "base");
  EXPECT_TRUE(mixed.codes.empty() && mixed.text_ids.empty());
}

TEST(VoiceMixTest, OneVoiceStaysAsItIs) {
  const Voice ann = voice_of("Ann", {1, -0.0F, 1e-40F, 9.9e3F});
  const Voice mixed = testing::must(Voice::mix({{ann, 1}}, "Ann"));
  EXPECT_EQ(bytes_of(mixed.x_vector), bytes_of(ann.x_vector));
}

TEST(VoiceMixTest, SeveralLanguagesBecomeAuto) {
  Voice bob = voice_of("Bob", {1});
  bob.language = "german";
  EXPECT_EQ(testing::must(Voice::mix({{voice_of("Ann", {1}), 1}, {bob, 0}}, "Both")).language, "auto");
}

TEST(VoiceMixTest, ImpossibleMixesAreRefused) {
  const Voice ann = voice_of("Ann", {1, 2});
  Voice other = voice_of("Eve", {1, 2});
  other.model_type = "another";
  const auto error = [](const std::vector<VoicePart>& parts) { return Voice::mix(parts, "Mix").error().message; };
  EXPECT_EQ(error({}), "there is no voice to mix; give one or more");
  EXPECT_EQ(
      error({{ann, 1}, {ann, 1}, {voice_of("Bob", {1}), 1}}),
      "voice 'Ann' is for another model (base, width 2) than voice 'Bob' (base, width 1); mix voices of one model");
  EXPECT_NE(error({{ann, 1}, {other, 1}}).find("'Eve' (another, width 2)"), std::string::npos);
  EXPECT_EQ(error({{ann, std::nan("")}}), "the weight of voice 'Ann' is nan; give a finite number");
  EXPECT_NE(error({{ann, 1e39}}).find("smaller weights"), std::string::npos);
}

}  // namespace
}  // namespace qwen3_tts
