#include "voice/voice_encoder_contract.h"

#include "base/error.h"
#include "base/json_reader.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

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
    {"hidden_size", &VoiceEncoderContract::hidden_size, 1},
    {"sample_rate", &VoiceEncoderContract::sample_rate, 1},
    {"min_samples", &VoiceEncoderContract::min_samples, 1},
    {"max_samples", &VoiceEncoderContract::max_samples, 1},
    {"samples_per_block", &VoiceEncoderContract::samples_per_block, 1},
    {"samples_per_frame", &VoiceEncoderContract::samples_per_frame, 1},
    {"samples_per_row", &VoiceEncoderContract::samples_per_row, 1},
    {"row_size", &VoiceEncoderContract::row_size, 1},
    {"num_code_groups", &VoiceEncoderContract::num_code_groups, 1},
    {"code_vocab_size", &VoiceEncoderContract::code_vocab_size, 1},
    {"text_vocab_size", &VoiceEncoderContract::text_vocab_size, 1},
    {"max_encode_frames", &VoiceEncoderContract::max_encode_frames, 1},
    {"context_frames", &VoiceEncoderContract::context_frames, 0},
};

Error invalid(const std::string& what) {
  return Error{ErrorCode::kInvalidModel, "the voice encoder's contract: " + what + kReexport + " --voice-encoder"};
}

Error wrong_value(const std::string& name, const std::string& expected) {
  return invalid("'" + name + "' must be " + expected);
}

/// The text under a key; empty when there is none.
std::string text_of(const Json& object, const char* key) {
  const auto entry = object.find(key);
  return entry != object.end() && entry->is_string() ? entry->get<std::string>() : "";
}

Result<int64_t> read_integer(const Json& object, const char* key, int64_t minimum) {
  const auto entry = object.find(key);
  const auto number = entry == object.end() ? std::nullopt : integer_in(*entry, minimum, kLargest);
  if (!number) {
    return wrong_value(key, "an integer in " + std::to_string(minimum) + ".." + std::to_string(kLargest));
  }
  return *number;
}

Result<std::string> read_name(const Json& object, const char* key) {
  std::string name = text_of(object, key);
  if (name.empty()) {
    return wrong_value(key, "a name");
  }
  return name;
}

Result<std::set<std::string>> read_names(const Json& object, const char* key) {
  const auto entry = object.find(key);
  if (entry == object.end() || !entry->is_array()) {
    return wrong_value(key, "a list of names");
  }
  std::set<std::string> names;
  for (const Json& element : *entry) {
    const auto* name = element.get_ptr<const std::string*>();
    if (name == nullptr || name->empty()) {
      return wrong_value(key, "a list of names");
    }
    names.insert(*name);
  }
  return names;
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
  if (text_of(object, "kind") != kVoiceEncoder) {
    return wrong_value("kind", std::string("'") + kVoiceEncoder + "'");
  }
  constexpr char kVersionKey[] = "contract_version";
  const auto version = object.find(kVersionKey);
  if (version == object.end() || integer_in(*version, kVersion, kVersion) != kVersion) {
    return wrong_value(kVersionKey, std::to_string(kVersion) + ", which this program reads");
  }
  VoiceEncoderContract contract{};
  for (const IntegerField& field : kIntegerFields) {
    ASSIGN_OR_RETURN(contract.*field.member, read_integer(object, field.key, field.minimum));
  }
  ASSIGN_OR_RETURN(contract.model_type, read_name(object, "model_type"));
  ASSIGN_OR_RETURN(contract.languages, read_names(object, "languages"));
  RETURN_IF_ERROR(check_relations(contract));
  return contract;
}

}  // namespace qwen3_tts
