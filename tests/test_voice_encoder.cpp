#include <qwen3_tts/voice_encoder.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "edited_model.h"
#include "sound_files.h"
#include "temp_folder.h"
#include "test_models.h"
#include "voice/voice_encoder_contract.h"

namespace qwen3_tts {
namespace {

using nlohmann::json;
using testing::model_path;
using testing::must;

constexpr char kEncoder[] = "tiny-base-voice-encoder";

Result<std::unique_ptr<VoiceEncoder>> create(const std::string& path) {
  VoiceEncoderOptions options;
  options.path = path;
  return VoiceEncoder::create(options);
}

/// `seconds` of two tones in turn.
Recording recording(double seconds) {
  Recording made;
  made.samples = testing::sine(220, seconds, 24000);
  const auto other = testing::sine(1700, seconds, 24000, 0.3);
  for (size_t i = 0; i < other.size(); ++i) {
    made.samples[i] += (i / 4000) % 2 == 0 ? other[i] : 0.0F;
  }
  return made;
}

template <typename T>
void expect_refused(const Result<T>& result, const std::string& word, ErrorCode code = ErrorCode::kInvalidArgument) {
  ASSERT_FALSE(result.ok()) << "expected: " << word;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(word), std::string::npos) << result.error().message;
}

TEST(VoiceEncoder, MakesVoicesOfBothKinds) {
  const auto encoder = must(create(model_path(kEncoder)));
  EXPECT_EQ(encoder->sample_rate(), 24000);
  const auto ids = must(encoder->tokenize("Hello there."));
  const Voice plain = must(encoder->encode(recording(1.01), "Ann", "English", {}));
  EXPECT_EQ(plain.name, "Ann");
  EXPECT_EQ(plain.language, "english");
  EXPECT_EQ(plain.model_type, "base");
  EXPECT_EQ(plain.x_vector.size(), 64U);
  EXPECT_TRUE(plain.codes.empty() && plain.text_ids.empty());
  EXPECT_EQ(plain.num_code_groups, 0);

  const Voice full = must(encoder->encode(recording(1.01), "Ann", "auto", ids));
  EXPECT_EQ(full.x_vector, plain.x_vector);
  EXPECT_EQ(full.text_ids, ids);
  EXPECT_EQ(full.num_code_groups, 6);
  EXPECT_EQ(full.codes.size(), 51U * 6U);  // 24240 samples, 480 a frame.
}

TEST(VoiceEncoder, WhatItMakesFitsTheModel) {
  const auto encoder = must(create(model_path(kEncoder)));
  const testing::TempFolder folder;
  const auto engine = testing::make_engine("tiny-base");
  const Voice voice = must(encoder->encode(recording(2), "Ann", "german", must(encoder->tokenize("Hallo."))));
  ASSERT_TRUE(voice.save(folder.file("ann.voice")).ok());
  const Voice loaded = must(Voice::load(folder.file("ann.voice"), engine->metadata()));
  EXPECT_EQ(loaded.codes, voice.codes);
  SynthesisRequest request;
  request.text = "Hello.";
  request.voice = std::make_shared<const Voice>(loaded);
  SynthesisOptions options;
  options.max_frames = 2;
  EXPECT_TRUE(must(engine->create_session())->start(request, options).ok());
}

TEST(VoiceEncoder, CallsDoNotDependOnEachOther) {
  const auto encoder = must(create(model_path(kEncoder)));
  const std::vector<int64_t> ids = {5};
  const Voice first = must(encoder->encode(recording(1), "a", "auto", ids));
  must(encoder->encode(recording(7.3), "b", "auto", ids));
  const Voice again = must(encoder->encode(recording(1), "a", "auto", ids));
  EXPECT_EQ(again.x_vector, first.x_vector);
  EXPECT_EQ(again.codes, first.codes);
}

TEST(VoiceEncoder, TheBeginOfARecordingHasTheSameCodes) {
  const auto encoder = must(create(model_path(kEncoder)));
  const Recording whole = recording(5);  // 250 frames, in nine pieces.
  Recording begin = whole;
  begin.samples.resize(size_t{40} * 480);
  const Voice long_voice = must(encoder->encode(whole, "a", "auto", {5}));
  const Voice short_voice = must(encoder->encode(begin, "a", "auto", {5}));
  const auto num_equal = std::inner_product(short_voice.codes.begin(), short_voice.codes.end(),
                                            long_voice.codes.begin(), 0, std::plus<>(), std::equal_to<>());
  EXPECT_GE(num_equal, 40 * 6 - 1);  // Where two centroids are equally near, rounding decides.
  EXPECT_NE(short_voice.x_vector, long_voice.x_vector);
}

TEST(VoiceEncoder, TakesTheLengthsOfItsContract) {
  const auto encoder = must(create(model_path(kEncoder)));
  for (const size_t size : {size_t{12000}, size_t{1440000}}) {
    Recording made = recording(60);
    made.samples.resize(size);
    const auto voice = encoder->encode(made, "a", "auto", {});
    EXPECT_TRUE(voice.ok()) << voice.error().message;
  }
  Recording made = recording(61);
  made.samples.resize(1440001);
  expect_refused(encoder->encode(made, "a", "auto", {}), "it lasts 60.00 s; give one of 0.50 s to 60.00 s");
  made.samples.resize(11999);
  expect_refused(encoder->encode(made, "a", "auto", {}), "it lasts 0.50 s");
  made.samples.clear();
  made.source = "'ann.wav'";
  expect_refused(encoder->encode(made, "a", "auto", {}), "recording 'ann.wav': it lasts 0.00 s");
}

TEST(VoiceEncoder, RefusesWhatIsNoSpeech) {
  const auto encoder = must(create(model_path(kEncoder)));
  Recording made = recording(1);
  made.samples[77] = std::nanf("");
  expect_refused(encoder->encode(made, "a", "auto", {}), "not a finite number");
  made.samples.assign(24000, 0.0049F);
  expect_refused(encoder->encode(made, "a", "auto", {}), "it is silent");
  made.samples.back() = -0.005F;
  EXPECT_TRUE(encoder->encode(made, "a", "auto", {}).ok());
}

TEST(VoiceEncoder, RefusesLanguagesAndIdsThatAreNotTheModels) {
  const auto encoder = must(create(model_path(kEncoder)));
  expect_refused(encoder->encode(recording(1), "a", "klingon", {}),
                 "'klingon' is not one of the model; give one of auto, ");
  expect_refused(encoder->encode(recording(1), "a", "sichuan_dialect", {}), "sichuan_dialect");
  expect_refused(encoder->encode(recording(1), "a", "auto", {2560}), "id 2560");
  expect_refused(encoder->encode(recording(1), "a", "auto", {3, -1}), "id -1");
}

TEST(VoiceEncoder, TokenizesAsTheModelDoes) {
  const auto encoder = must(create(model_path(kEncoder)));
  EXPECT_EQ(must(encoder->tokenize("\n Hello.")), must(encoder->tokenize("Hello.")));
  EXPECT_NE(must(encoder->tokenize(" Hello.")), must(encoder->tokenize("Hello.")));
  expect_refused(encoder->tokenize(" \n"), "transcript: the text is empty");
  expect_refused(encoder->tokenize("ab\xff"), "UTF-8");
}

TEST(VoiceEncoder, RefusesOtherFiles) {
  const testing::TempFolder folder;
  const std::string path = folder.file("a.pte");
  expect_refused(create(path), path, ErrorCode::kIo);
  testing::write_bytes(path, std::string(5000, 'x'));
  expect_refused(create(path), "not an ExecuTorch program", ErrorCode::kInvalidModel);
  expect_refused(create(model_path("tiny-base")), "give the voice_encoder.pte", ErrorCode::kInvalidModel);
  const std::string whole = testing::read_bytes(model_path(kEncoder));
  testing::write_bytes(path, whole.substr(0, whole.size() - 1));
  expect_refused(create(path), "truncated", ErrorCode::kInvalidModel);
  std::string damaged = whole;
  damaged[whole.size() / 2] = static_cast<char>(damaged[whole.size() / 2] ^ 1);
  testing::write_bytes(path, damaged);
  expect_refused(create(path), "are not what was exported; copy or export it again", ErrorCode::kInvalidModel);
  VoiceEncoderOptions options;
  options.path = model_path(kEncoder);
  options.num_threads = -1;
  expect_refused(VoiceEncoder::create(options), "threads is -1");
}

/// A changed contract in a whole file: the lengths of both texts must agree.
TEST(VoiceEncoder, MethodsMustBeWhatTheContractSays) {
  const testing::TempFolder folder;
  const std::string path = folder.file("a.pte");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string bytes = testing::read_bytes(model_path(kEncoder));
    const size_t position = bytes.find(from);
    EXPECT_NE(position, std::string::npos) << from;
    testing::write_bytes(path, testing::with_new_digests(bytes.replace(position, to.size(), to)));
    return create(path);
  };
  EXPECT_TRUE(changed("\"kind\"", "\"kind\"").ok());
  const struct {
    const char *from, *to, *word;
  } cases[] = {
      {"\"contract_version\": 1", "\"contract_version\": 2", "contract_version"},
      {"\"max_samples\": 1440000", "\"max_samples\": 1480000", "input 0 of method 'encode_speaker'"},
      {"\"max_encode_frames\": 32", "\"max_encode_frames\": 31", "input 0 of method 'encode_audio'"},
      {"\"row_size\": 64", "\"row_size\": 65", "input 0 of method 'encode_codes'"},
      {"\"text_vocab_size\": 2560", "\"text_vocab_size\": 1560", "the tokenizer has"},
  };
  for (const auto& [from, to, word] : cases) {
    expect_refused(changed(from, to), word, ErrorCode::kInvalidModel);
  }
}

TEST(VoiceEncoder, OutputsMustBeWhatTheContractSays) {
  const testing::TempFolder folder;
  const std::string path = folder.file("a.pte");
  for (const auto& [from, to] : {std::pair("\"hidden_size\": 64", "\"hidden_size\": 65"),
                                 std::pair("\"num_code_groups\": 6", "\"num_code_groups\": 5"),
                                 std::pair("\"code_vocab_size\": 256", "\"code_vocab_size\": 156")}) {
    std::string bytes = testing::read_bytes(model_path(kEncoder));
    testing::write_bytes(path, testing::with_new_digests(bytes.replace(bytes.find(from), std::string(to).size(), to)));
    const auto voice = must(create(path))->encode(recording(3), "a", "auto", {5});
    ASSERT_FALSE(voice.ok()) << to;
    EXPECT_NE(voice.error().message.find("re-export with export_unified.py"), std::string::npos)
        << voice.error().message;
  }
}

json contract() {
  return json::parse(R"({
    "kind": "voice_encoder", "contract_version": 1, "model_type": "base", "hidden_size": 64, "sample_rate": 24000,
    "min_samples": 12000, "max_samples": 1440000, "samples_per_block": 256, "samples_per_frame": 480,
    "samples_per_row": 240, "row_size": 64, "num_code_groups": 6, "code_vocab_size": 256, "text_vocab_size": 2560,
    "max_encode_frames": 32, "context_frames": 2, "languages": ["english", "german"]
  })");
}

TEST(VoiceEncoderContract, EveryFieldIsNeededAndChecked) {
  const json whole = contract();
  EXPECT_TRUE(VoiceEncoderContract::parse(whole.dump()).ok());
  for (const auto& [key, value] : whole.items()) {
    json without = whole;
    without.erase(key);
    expect_refused(VoiceEncoderContract::parse(without.dump()), "'" + key + "'", ErrorCode::kInvalidModel);
    for (const json& wrong : {json(nullptr), json(-1), json(~uint64_t{0}), json(1.5), json(""), json({1})}) {
      json with = whole;
      with[key] = wrong;
      expect_refused(VoiceEncoderContract::parse(with.dump()), "'" + key + "'", ErrorCode::kInvalidModel);
    }
  }
}

TEST(VoiceEncoderContract, RelationsMustHold) {
  for (const auto& [key, value] :
       {std::pair("min_samples", 1440001), std::pair("samples_per_row", 241), std::pair("context_frames", 32)}) {
    json with = contract();
    with[key] = value;
    expect_refused(VoiceEncoderContract::parse(with.dump()), key, ErrorCode::kInvalidModel);
  }
  expect_refused(VoiceEncoderContract::parse("{"), "JSON", ErrorCode::kInvalidModel);
}

}  // namespace
}  // namespace qwen3_tts
