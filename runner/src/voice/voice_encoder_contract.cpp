#include "voice/voice_encoder_contract.h"

#include <optional>

#include "base/json_reader.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

namespace key = contract::key;

constexpr char kKind[] = "kind";
constexpr char kVoiceEncoder[] = "voice_encoder";
constexpr int64_t kVersion = 1;
// Products of two stay far from what 64 bits hold, and a recording of this many samples from what memory does.
constexpr int64_t kLargest = int64_t{1} << 24;

struct IntegerField {
  const char* key;
  int64_t VoiceEncoderContract::* member;
  int64_t minimum;
};

constexpr IntegerField kIntegerFields[] = {
    {key::kHiddenSize, &VoiceEncoderContract::hidden_size, 1},
    {key::kSampleRate, &VoiceEncoderContract::sample_rate, 1},
    {"min_samples", &VoiceEncoderContract::min_samples, 1},
    {"max_samples", &VoiceEncoderContract::max_samples, 1},
    {"samples_per_block", &VoiceEncoderContract::samples_per_block, 1},
    {key::kSamplesPerFrame, &VoiceEncoderContract::samples_per_frame, 1},
    {"samples_per_row", &VoiceEncoderContract::samples_per_row, 1},
    {"row_size", &VoiceEncoderContract::row_size, 1},
    {key::kNumCodeGroups, &VoiceEncoderContract::num_code_groups, 1},
    {key::kCodeVocabSize, &VoiceEncoderContract::code_vocab_size, 1},
    {key::kTextVocabSize, &VoiceEncoderContract::text_vocab_size, 1},
    {"max_encode_frames", &VoiceEncoderContract::max_encode_frames, 1},
    {"context_frames", &VoiceEncoderContract::context_frames, 0},
};

Error invalid(const std::string& what) {
  return Error{ErrorCode::kInvalidModel,
               "the voice encoder's contract: " + what + "; re-export with export_unified.py --voice-encoder"};
}

Error wrong_value(const std::string& name, const std::string& expected) {
  return invalid("'" + name + "' must be " + expected);
}

const std::string* text_of(const Json& object, const char* name) {
  const auto entry = object.find(name);
  return entry == object.end() ? nullptr : entry->get_ptr<const std::string*>();
}

Status read_languages(const Json& object, std::set<std::string>& languages) {
  const auto entry = object.find(key::kLanguages);
  if (entry == object.end() || !entry->is_array()) {
    return wrong_value(key::kLanguages, "a list of names");
  }
  for (const Json& element : *entry) {
    const auto* name = element.get_ptr<const std::string*>();
    if (name == nullptr || name->empty()) {
      return wrong_value(key::kLanguages, "a list of names");
    }
    languages.insert(*name);
  }
  return {};
}

/// What must hold between fields.
Status check_relations(const VoiceEncoderContract& c) {
  const struct {
    bool holds;
    const char* what;
  } relations[] = {
      {c.min_samples <= c.max_samples, "'min_samples' must not be above 'max_samples'"},
      {c.samples_per_frame == 2 * c.samples_per_row, "'samples_per_frame' must be two times 'samples_per_row'"},
      {c.context_frames < c.max_encode_frames, "'context_frames' must be below 'max_encode_frames'"},
  };
  for (const auto& relation : relations) {
    if (!relation.holds) {
      return invalid(relation.what);
    }
  }
  return {};
}

}  // namespace

Result<VoiceEncoderContract> VoiceEncoderContract::parse(std::string_view json) {
  const Json object = parse_json_object(json);
  if (!object.is_object()) {
    return invalid("it is not a valid JSON object");
  }
  const std::string* kind = text_of(object, kKind);
  if (kind == nullptr || *kind != kVoiceEncoder) {
    return wrong_value(kKind, std::string("'") + kVoiceEncoder + "'");
  }
  const auto version = object.find(key::kContractVersion);
  if (version == object.end() || integer_in(*version, kVersion, kVersion) != kVersion) {
    return wrong_value(key::kContractVersion, std::to_string(kVersion) + ", which this program reads");
  }
  VoiceEncoderContract contract{};
  for (const IntegerField& field : kIntegerFields) {
    const auto entry = object.find(field.key);
    const auto number = entry == object.end() ? std::nullopt : integer_in(*entry, field.minimum, kLargest);
    if (!number) {
      return wrong_value(field.key, "an integer in " + std::to_string(field.minimum) + ".." + std::to_string(kLargest));
    }
    contract.*field.member = *number;
  }
  const std::string* model_type = text_of(object, key::kModelType);
  if (model_type == nullptr || model_type->empty()) {
    return wrong_value(key::kModelType, "a name");
  }
  contract.model_type = *model_type;
  if (Status status = read_languages(object, contract.languages); !status.ok()) {
    return status.error();
  }
  if (Status status = check_relations(contract); !status.ok()) {
    return status.error();
  }
  return contract;
}

}  // namespace qwen3_tts
