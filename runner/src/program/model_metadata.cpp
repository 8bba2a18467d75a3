#include <qwen3_tts/model_metadata.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "base/json_reader.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

namespace key = contract::key;

// Above every real size and small enough that products of two cannot overflow.
constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();

struct IntegerField {
  const char* key;
  int64_t ModelMetadata::* member;
  int64_t minimum;
};

constexpr IntegerField kIntegerFields[] = {
    {key::kSampleRate, &ModelMetadata::sample_rate, 1},
    {key::kSamplesPerFrame, &ModelMetadata::samples_per_frame, 1},
    {key::kNumCodeGroups, &ModelMetadata::num_code_groups, 2},
    {key::kCodeVocabSize, &ModelMetadata::code_vocab_size, 1},
    {key::kTalkerVocabSize, &ModelMetadata::talker_vocab_size, 1},
    {key::kTextVocabSize, &ModelMetadata::text_vocab_size, 1},
    {key::kHiddenSize, &ModelMetadata::hidden_size, 1},
    {key::kCodePredictorHiddenSize, &ModelMetadata::code_predictor_hidden_size, 1},
    {key::kMaxSeqLen, &ModelMetadata::max_seq_len, 1},
    {key::kMaxRows, &ModelMetadata::max_rows, 2},
    {key::kMaxDecodeFrames, &ModelMetadata::max_decode_frames, 1},
    {key::kTopK, &ModelMetadata::top_k, 0},
    {key::kSubtalkerTopK, &ModelMetadata::subtalker_top_k, 0},
    {key::kMinNewTokens, &ModelMetadata::min_new_tokens, 0},
    {key::kMaxNewTokens, &ModelMetadata::max_new_tokens, 1},
};

struct IdField {
  const char* key;
  int64_t ModelMetadata::* member;
  int64_t ModelMetadata::* vocab_size;
};

constexpr IdField kIdFields[] = {
    {key::kTtsPadId, &ModelMetadata::tts_pad_id, &ModelMetadata::text_vocab_size},
    {key::kTtsBosId, &ModelMetadata::tts_bos_id, &ModelMetadata::text_vocab_size},
    {key::kTtsEosId, &ModelMetadata::tts_eos_id, &ModelMetadata::text_vocab_size},
    {key::kCodecPadId, &ModelMetadata::codec_pad_id, &ModelMetadata::talker_vocab_size},
    {key::kCodecBosId, &ModelMetadata::codec_bos_id, &ModelMetadata::talker_vocab_size},
    {key::kCodecEosId, &ModelMetadata::codec_eos_id, &ModelMetadata::talker_vocab_size},
    {key::kCodecThinkId, &ModelMetadata::codec_think_id, &ModelMetadata::talker_vocab_size},
    {key::kCodecNothinkId, &ModelMetadata::codec_nothink_id, &ModelMetadata::talker_vocab_size},
    {key::kCodecThinkBosId, &ModelMetadata::codec_think_bos_id, &ModelMetadata::talker_vocab_size},
    {key::kCodecThinkEosId, &ModelMetadata::codec_think_eos_id, &ModelMetadata::talker_vocab_size},
};

struct IdListField {
  const char* key;
  std::vector<int64_t> ModelMetadata::* member;
};

constexpr IdListField kTextIdListFields[] = {
    {key::kRoleIds, &ModelMetadata::role_ids},
    {key::kInstructPrefixIds, &ModelMetadata::instruct_prefix_ids},
    {key::kInstructSuffixIds, &ModelMetadata::instruct_suffix_ids},
};

struct RowMapField {
  const char* key;
  std::map<std::string, int64_t> ModelMetadata::* member;
};

constexpr RowMapField kRowMapFields[] = {
    {key::kLanguages, &ModelMetadata::languages},
    {key::kSpeakers, &ModelMetadata::speakers},
};

struct NumberField {
  const char* key;
  float ModelMetadata::* member;
  float minimum;
  bool minimum_allowed;
  float maximum;
};

constexpr float kLargestNumber = std::numeric_limits<float>::max();

constexpr NumberField kNumberFields[] = {
    {key::kTemperature, &ModelMetadata::temperature, 0, true, kLargestNumber},
    {key::kTopP, &ModelMetadata::top_p, 0, false, 1},
    {key::kRepetitionPenalty, &ModelMetadata::repetition_penalty, 0, false, kLargestNumber},
    {key::kSubtalkerTemperature, &ModelMetadata::subtalker_temperature, 0, true, kLargestNumber},
    {key::kSubtalkerTopP, &ModelMetadata::subtalker_top_p, 0, false, 1},
};

Error invalid(const std::string& what) {
  return Error{ErrorCode::kInvalidModel, "the model's contract: " + what + "; re-export with export_unified.py"};
}

/// A key's value with what it must be, as "'key' must be <expected>, found <value>".
Error wrong_value(const std::string& name, const std::string& expected, const Json& value) {
  std::string found = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  constexpr size_t kShown = 80;
  if (found.size() > kShown) {
    found = found.substr(0, kShown) + "…";
  }
  return invalid("'" + name + "' must be " + expected + ", found " + found);
}

std::string range_text(int64_t minimum, int64_t maximum) {
  return "an integer in " + std::to_string(minimum) + ".." + std::to_string(maximum);
}

/// Lower-case, as lookups are: a name with an ASCII capital could never be asked for.
bool is_lower_name(const std::string& name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
}

/// Fills a ModelMetadata from the contract's object. After the first problem, error() is set and the rest is skipped.
class ContractReader {
 public:
  explicit ContractReader(const Json& contract) : contract_(contract) {}

  Result<ModelMetadata> read() {
    metadata_.contract_version = contract::kVersion;
    for (const IntegerField& field : kIntegerFields) {
      read_integer(field.key, metadata_.*field.member, field.minimum, kLargest);
    }
    for (const IdField& field : kIdFields) {
      read_integer(field.key, metadata_.*field.member, 0, metadata_.*field.vocab_size - 1);
    }
    for (const IdListField& field : kTextIdListFields) {
      read_ids(field.key, metadata_.*field.member, metadata_.text_vocab_size);
    }
    for (const RowMapField& field : kRowMapFields) {
      read_rows(field.key, metadata_.*field.member);
    }
    for (const NumberField& field : kNumberFields) {
      read_number(field);
    }
    read_names();
    read_recipe();
    read_ids(key::kGroupOffsets, metadata_.group_offsets, kLargest);
    check_relations();
    if (error_) {
      return *error_;
    }
    return std::move(metadata_);
  }

 private:
  /// The value under `name`; null with error_ set when it is missing or an error came before.
  const Json* find(const char* name) {
    if (error_) {
      return nullptr;
    }
    const auto entry = contract_.find(name);
    if (entry == contract_.end()) {
      error_ = invalid("key '" + std::string(name) + "' is missing");
      return nullptr;
    }
    return &*entry;
  }

  void read_integer(const char* name, int64_t& target, int64_t minimum, int64_t maximum) {
    if (const Json* value = find(name)) {
      const auto number = integer_in(*value, minimum, maximum);
      if (!number) {
        error_ = wrong_value(name, range_text(minimum, maximum), *value);
        return;
      }
      target = *number;
    }
  }

  void read_number(const NumberField& field) {
    if (const Json* value = find(field.key)) {
      const double number = value->is_number() ? value->get<double>() : std::nan("");
      const bool above = field.minimum_allowed ? number >= field.minimum : number > field.minimum;
      if (!above || !(number <= field.maximum)) {
        const std::string range = std::string(field.minimum_allowed ? ">= " : "> ") + Json(field.minimum).dump();
        const std::string limit = field.maximum < kLargestNumber ? " and <= " + Json(field.maximum).dump() : "";
        error_ = wrong_value(field.key, "a number " + range + limit, *value);
        return;
      }
      metadata_.*field.member = static_cast<float>(number);
    }
  }

  void read_ids(const char* name, std::vector<int64_t>& target, int64_t vocab_size) {
    const Json* value = find(name);
    if (value == nullptr) {
      return;
    }
    if (!value->is_array()) {
      error_ = wrong_value(name, "a list of integers", *value);
      return;
    }
    for (const Json& element : *value) {
      const auto id = integer_in(element, 0, vocab_size - 1);
      if (!id) {
        error_ = wrong_value(name, "a list; each element " + range_text(0, vocab_size - 1), element);
        return;
      }
      target.push_back(*id);
    }
  }

  void read_rows(const char* name, std::map<std::string, int64_t>& target) {
    const Json* value = find(name);
    if (value == nullptr) {
      return;
    }
    const int64_t last = metadata_.talker_vocab_size - 1;
    if (!value->is_object()) {
      error_ = wrong_value(name, "an object of names and rows", *value);
      return;
    }
    for (const auto& [entry, row] : value->items()) {
      const auto number = integer_in(row, 0, last);
      if (!number || !is_lower_name(entry)) {
        error_ = wrong_value(std::string(name) + "." + entry, "a lower-case name with " + range_text(0, last), row);
        return;
      }
      target.emplace(entry, *number);
    }
  }

  void read_string(const char* name, std::string& target) {
    if (const Json* value = find(name)) {
      const auto* text = value->get_ptr<const std::string*>();
      if (text == nullptr || text->empty()) {
        error_ = wrong_value(name, "a non-empty string", *value);
        return;
      }
      target = *text;
    }
  }

  /// Everything whose value is a name or a flag.
  void read_names() {
    read_string(key::kModelType, metadata_.model_type);
    read_string(key::kModelSize, metadata_.model_size);
    const auto& type = metadata_.model_type;
    if (!error_ && type != "base" && type != "custom_voice" && type != "voice_design") {
      error_ = wrong_value(key::kModelType, "base, custom_voice or voice_design", Json(type));
    }
    std::string layout;
    read_string(key::kTextLayout, layout);
    if (!error_ && layout != "streaming" && layout != "full") {
      error_ = wrong_value(key::kTextLayout, "streaming or full", Json(layout));
    }
    metadata_.text_layout = layout == "full" ? TextLayout::kFull : TextLayout::kStreaming;
    if (const Json* value = find(key::kSupportsInstruct)) {
      const auto* flag = value->get_ptr<const Json::boolean_t*>();
      if (flag == nullptr) {
        error_ = wrong_value(key::kSupportsInstruct, "true or false", *value);
        return;
      }
      metadata_.supports_instruct = *flag;
    }
    read_dialects();
  }

  void read_dialects() {
    const Json* dialects = find(key::kDialects);
    if (dialects == nullptr) {
      return;
    }
    if (!dialects->is_array()) {
      error_ = wrong_value(key::kDialects, "a list of language names", *dialects);
      return;
    }
    for (const Json& element : *dialects) {
      const auto* name = element.get_ptr<const std::string*>();
      if (name == nullptr || metadata_.languages.count(*name) == 0) {
        error_ = wrong_value(key::kDialects, "a list; each element a key of 'languages'", element);
        return;
      }
      metadata_.dialects.push_back(*name);
    }
    const Json* speaker_dialects = find(key::kSpeakerDialects);
    if (speaker_dialects == nullptr) {
      return;
    }
    if (!speaker_dialects->is_object()) {
      error_ = wrong_value(key::kSpeakerDialects, "an object of speakers and languages", *speaker_dialects);
      return;
    }
    for (const auto& [speaker, element] : speaker_dialects->items()) {
      const auto* name = element.get_ptr<const std::string*>();
      if (name == nullptr || metadata_.languages.count(*name) == 0 || metadata_.speakers.count(speaker) == 0) {
        error_ = wrong_value(std::string(key::kSpeakerDialects) + "." + speaker,
                             "a key of 'speakers' with a key of 'languages'", element);
        return;
      }
      metadata_.speaker_dialects.emplace(speaker, *name);
    }
  }

  void read_recipe() {
    const Json* recipe = find(key::kRecipe);
    if (recipe == nullptr) {
      return;
    }
    if (!recipe->is_object()) {
      error_ = wrong_value(key::kRecipe, "an object", *recipe);
      return;
    }
    for (const auto& [name, value] : recipe->items()) {
      const auto* text = value.get_ptr<const std::string*>();
      metadata_.recipe.emplace(name, text != nullptr ? *text : value.dump());
    }
  }

  void require(bool holds, const std::string& what) {
    if (!error_ && !holds) {
      error_ = invalid(what);
    }
  }

  /// What must hold between fields.
  void check_relations() {
    const ModelMetadata& m = metadata_;
    require(m.codec_eos_id >= m.code_vocab_size, "'codec_eos_id' " + std::to_string(m.codec_eos_id) +
                                                     " must not be one of the " + std::to_string(m.code_vocab_size) +
                                                     " codes");
    require(!m.role_ids.empty(), "'role_ids' must not be empty");
    require(static_cast<int64_t>(m.group_offsets.size()) == m.num_code_groups,
            "'group_offsets' must have 'num_code_groups' = " + std::to_string(m.num_code_groups) + " elements, found " +
                std::to_string(m.group_offsets.size()));
    int64_t first_free_row = 0;
    for (size_t group = 0; group < m.group_offsets.size() && !error_; ++group) {
      const int64_t offset = m.group_offsets[group];
      require(group == 0 ? offset == 0 : offset >= first_free_row, "'group_offsets' element " + std::to_string(group) +
                                                                       " = " + std::to_string(offset) +
                                                                       " overlaps the rows before it");
      first_free_row = offset + (group == 0 ? m.talker_vocab_size : m.code_vocab_size);
    }
  }

  const Json& contract_;
  ModelMetadata metadata_{};
  std::optional<Error> error_;
};

}  // namespace

Result<ModelMetadata> ModelMetadata::parse(std::string_view json) {
  const Json contract = parse_json_object(json);
  if (!contract.is_object()) {
    return invalid("it is not a valid JSON object");
  }
  const auto version = contract.find(key::kContractVersion);
  if (version == contract.end()) {
    return invalid("key '" + std::string(key::kContractVersion) + "' is missing");
  }
  if (integer_in(*version, contract::kVersion, contract::kVersion) != contract::kVersion) {
    const bool is_newer = integer_in(*version, contract::kVersion + 1, kLargest).has_value();
    return invalid("the model has contract_version " + version->dump() + ", this runner reads version " +
                   std::to_string(contract::kVersion) + (is_newer ? "; take a newer runner" : ""));
  }
  return ContractReader(contract).read();
}

}  // namespace qwen3_tts
