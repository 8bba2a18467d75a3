#include <qwen3_tts/model_metadata.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/catching.h"
#include "base/error.h"
#include "base/folded_name.h"
#include "base/json_reader.h"
#include "base/names.h"
#include "base/try.h"
#include "program/contract.h"

namespace qwen3_tts {
namespace {

// Above every real size and small enough that products of two cannot overflow.
constexpr int64_t kLargest = std::numeric_limits<int32_t>::max();

struct IntegerField {
  const char* key;
  int64_t ModelMetadata::* member;
  int64_t minimum;
};

constexpr IntegerField kIntegerFields[] = {
    {"sample_rate", &ModelMetadata::sample_rate, 1},
    {"samples_per_frame", &ModelMetadata::samples_per_frame, 1},
    {"num_code_groups", &ModelMetadata::num_code_groups, 2},
    {"code_vocab_size", &ModelMetadata::code_vocab_size, 1},
    {"talker_vocab_size", &ModelMetadata::talker_vocab_size, 1},
    {"text_vocab_size", &ModelMetadata::text_vocab_size, 1},
    {"hidden_size", &ModelMetadata::hidden_size, 1},
    {"code_predictor_hidden_size", &ModelMetadata::code_predictor_hidden_size, 1},
    {"max_seq_len", &ModelMetadata::max_seq_len, 1},
    {"max_rows", &ModelMetadata::max_rows, 2},
    {"max_batch", &ModelMetadata::max_batch, 1},
    {"max_decode_frames", &ModelMetadata::max_decode_frames, 1},
    {"top_k", &ModelMetadata::top_k, 0},
    {"subtalker_top_k", &ModelMetadata::subtalker_top_k, 0},
    {"min_new_tokens", &ModelMetadata::min_new_tokens, 0},
    {"max_new_tokens", &ModelMetadata::max_new_tokens, 1},
};

struct IdField {
  const char* key;
  int64_t ModelMetadata::* member;
  int64_t ModelMetadata::* vocab_size;
};

constexpr IdField kIdFields[] = {
    {"tts_pad_id", &ModelMetadata::tts_pad_id, &ModelMetadata::text_vocab_size},
    {"tts_bos_id", &ModelMetadata::tts_bos_id, &ModelMetadata::text_vocab_size},
    {"tts_eos_id", &ModelMetadata::tts_eos_id, &ModelMetadata::text_vocab_size},
    {"codec_pad_id", &ModelMetadata::codec_pad_id, &ModelMetadata::talker_vocab_size},
    {"codec_bos_id", &ModelMetadata::codec_bos_id, &ModelMetadata::talker_vocab_size},
    {"codec_eos_id", &ModelMetadata::codec_eos_id, &ModelMetadata::talker_vocab_size},
    {"codec_think_id", &ModelMetadata::codec_think_id, &ModelMetadata::talker_vocab_size},
    {"codec_nothink_id", &ModelMetadata::codec_nothink_id, &ModelMetadata::talker_vocab_size},
    {"codec_think_bos_id", &ModelMetadata::codec_think_bos_id, &ModelMetadata::talker_vocab_size},
    {"codec_think_eos_id", &ModelMetadata::codec_think_eos_id, &ModelMetadata::talker_vocab_size},
};

struct IdListField {
  const char* key;
  std::vector<int64_t> ModelMetadata::* member;
};

constexpr IdListField kTextIdListFields[] = {
    {"role_ids", &ModelMetadata::role_ids},
    {"instruct_prefix_ids", &ModelMetadata::instruct_prefix_ids},
    {"instruct_suffix_ids", &ModelMetadata::instruct_suffix_ids},
};

struct RowMapField {
  const char* key;
  std::map<std::string, int64_t> ModelMetadata::* member;
};

constexpr RowMapField kRowMapFields[] = {
    {"languages", &ModelMetadata::languages},
    {"speakers", &ModelMetadata::speakers},
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
    {"temperature", &ModelMetadata::temperature, 0, true, kLargestNumber},
    {"top_p", &ModelMetadata::top_p, 0, false, 1},
    {"repetition_penalty", &ModelMetadata::repetition_penalty, 0, false, kLargestNumber},
    {"subtalker_temperature", &ModelMetadata::subtalker_temperature, 0, true, kLargestNumber},
    {"subtalker_top_p", &ModelMetadata::subtalker_top_p, 0, false, 1},
};

Error invalid(const std::string& what) { return invalid_model("the model's contract: " + what); }

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

/// Reads a contract's object key by key, and checks what must hold between them.
class ContractReader {
 public:
  explicit ContractReader(const Json& contract) : contract_(contract) {}

  Result<ModelMetadata> read() {
    metadata_.contract_version = contract::kVersion;
    for (const IntegerField& field : kIntegerFields) {
      ASSIGN_OR_RETURN(metadata_.*field.member, integer(field.key, field.minimum, kLargest));
    }
    for (const IdField& field : kIdFields) {
      ASSIGN_OR_RETURN(metadata_.*field.member, integer(field.key, 0, metadata_.*field.vocab_size - 1));
    }
    for (const IdListField& field : kTextIdListFields) {
      ASSIGN_OR_RETURN(metadata_.*field.member, ids(field.key, metadata_.text_vocab_size));
    }
    for (const RowMapField& field : kRowMapFields) {
      ASSIGN_OR_RETURN(metadata_.*field.member, rows(field.key));
    }
    for (const NumberField& field : kNumberFields) {
      ASSIGN_OR_RETURN(metadata_.*field.member, number(field));
    }
    ASSIGN_OR_RETURN(metadata_.model_type, model_type("model_type"));
    ASSIGN_OR_RETURN(metadata_.model_size, text("model_size"));
    ASSIGN_OR_RETURN(metadata_.text_layout, text_layout("text_layout"));
    ASSIGN_OR_RETURN(metadata_.supports_instruct, flag("supports_instruct"));
    ASSIGN_OR_RETURN(metadata_.dialects, dialects("dialects"));
    ASSIGN_OR_RETURN(metadata_.speaker_dialects, speaker_dialects("speaker_dialects"));
    ASSIGN_OR_RETURN(metadata_.max_piece_tokens, integer_or_null("max_piece_tokens", 1, kLargest));
    ASSIGN_OR_RETURN(metadata_.max_piece_sentences, integer_or_null("max_piece_sentences", 1, kLargest));
    ASSIGN_OR_RETURN(metadata_.recipe, recipe("recipe"));
    ASSIGN_OR_RETURN(metadata_.group_offsets, ids("group_offsets", kLargest));
    RETURN_IF_ERROR(check_relations());
    return std::move(metadata_);
  }

 private:
  Result<const Json*> find(const std::string& key) const {
    const auto entry = contract_.find(key);
    if (entry == contract_.end()) {
      return invalid("key '" + key + "' is missing");
    }
    return &*entry;
  }

  Result<int64_t> integer(const char* key, int64_t minimum, int64_t maximum) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    const auto number = integer_in(*value, minimum, maximum);
    if (!number) {
      return wrong_value(key, range_text(minimum, maximum), *value);
    }
    return *number;
  }

  /// What a checkpoint need not state is null.
  Result<std::optional<int64_t>> integer_or_null(const char* key, int64_t minimum, int64_t maximum) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    const auto number = integer_in(*value, minimum, maximum);
    if (!number && !value->is_null()) {
      return wrong_value(key, range_text(minimum, maximum) + ", or null", *value);
    }
    return number;
  }

  Result<float> number(const NumberField& field) const {
    ASSIGN_OR_RETURN(const Json* value, find(field.key));
    const double number = value->is_number() ? value->get<double>() : std::nan("");
    const bool is_above = field.minimum_allowed ? number >= field.minimum : number > field.minimum;
    if (!is_above || !(number <= field.maximum)) {
      const std::string range = std::string(field.minimum_allowed ? ">= " : "> ") + Json(field.minimum).dump();
      const std::string limit = field.maximum < kLargestNumber ? " and <= " + Json(field.maximum).dump() : "";
      return wrong_value(field.key, "a number " + range + limit, *value);
    }
    return static_cast<float>(number);
  }

  Result<std::vector<int64_t>> ids(const char* key, int64_t vocab_size) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    if (!value->is_array()) {
      return wrong_value(key, "a list of integers", *value);
    }
    std::vector<int64_t> ids;
    for (const Json& element : *value) {
      const auto id = integer_in(element, 0, vocab_size - 1);
      if (!id) {
        return wrong_value(key, "a list; each element " + range_text(0, vocab_size - 1), element);
      }
      ids.push_back(*id);
    }
    return ids;
  }

  Result<std::map<std::string, int64_t>> rows(const char* key) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    const int64_t last = metadata_.talker_vocab_size - 1;
    if (!value->is_object()) {
      return wrong_value(key, "an object of names and rows", *value);
    }
    std::map<std::string, int64_t> rows;
    std::map<std::string, std::string> spellings;  // Of folded names.
    for (const auto& [name, row] : value->items()) {
      const auto number = integer_in(row, 0, last);
      if (!number || name.empty()) {
        return wrong_value(std::string(key) + "." + name, "a name with " + range_text(0, last), row);
      }
      const auto [other, is_new] = spellings.emplace(folded_name(name), name);
      if (!is_new) {
        return invalid("two of '" + std::string(key) + "' are one name but for case, '" + other->second + "' and '" +
                       name + "'");
      }
      rows.emplace(name, *number);
    }
    return rows;
  }

  Result<std::string> text(const char* key) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    const auto* text = value->get_ptr<const std::string*>();
    if (text == nullptr || text->empty()) {
      return wrong_value(key, "a non-empty string", *value);
    }
    return *text;
  }

  Result<std::string> model_type(const char* key) const {
    ASSIGN_OR_RETURN(std::string type, text(key));
    if (type != "base" && type != "custom_voice" && type != "voice_design") {
      return wrong_value(key, "base, custom_voice or voice_design", Json(type));
    }
    return type;
  }

  Result<TextLayout> text_layout(const char* key) const {
    ASSIGN_OR_RETURN(const std::string layout, text(key));
    const auto value = value_named<TextLayout>(layout);
    if (!value.has_value()) {
      return wrong_value(key, "streaming or full", Json(layout));
    }
    return *value;
  }

  Result<bool> flag(const char* key) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    const auto* flag = value->get_ptr<const Json::boolean_t*>();
    if (flag == nullptr) {
      return wrong_value(key, "true or false", *value);
    }
    return *flag;
  }

  Result<std::vector<std::string>> dialects(const char* key) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    if (!value->is_array()) {
      return wrong_value(key, "a list of language names", *value);
    }
    std::vector<std::string> dialects;
    for (const Json& element : *value) {
      const auto* name = element.get_ptr<const std::string*>();
      if (name == nullptr || metadata_.languages.count(*name) == 0) {
        return wrong_value(key, "a list; each element a key of 'languages'", element);
      }
      dialects.push_back(*name);
    }
    return dialects;
  }

  Result<std::map<std::string, std::string>> speaker_dialects(const char* key) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    if (!value->is_object()) {
      return wrong_value(key, "an object of speakers and languages", *value);
    }
    std::map<std::string, std::string> dialects;
    for (const auto& [speaker, element] : value->items()) {
      const auto* name = element.get_ptr<const std::string*>();
      if (name == nullptr || metadata_.languages.count(*name) == 0 || metadata_.speakers.count(speaker) == 0) {
        return wrong_value(std::string(key) + "." + speaker, "a key of 'speakers' with a key of 'languages'", element);
      }
      dialects.emplace(speaker, *name);
    }
    return dialects;
  }

  Result<std::map<std::string, std::string>> recipe(const char* key) const {
    ASSIGN_OR_RETURN(const Json* value, find(key));
    if (!value->is_object()) {
      return wrong_value(key, "an object", *value);
    }
    std::map<std::string, std::string> recipe;
    for (const auto& [name, element] : value->items()) {
      const auto* text = element.get_ptr<const std::string*>();
      recipe.emplace(name, text != nullptr ? *text : element.dump());
    }
    return recipe;
  }

  /// What must hold between fields.
  Status check_relations() const {
    const ModelMetadata& m = metadata_;
    if (m.codec_eos_id < m.code_vocab_size) {
      return invalid("'codec_eos_id' " + std::to_string(m.codec_eos_id) + " must not be one of the " +
                     std::to_string(m.code_vocab_size) + " codes");
    }
    if (m.role_ids.empty()) {
      return invalid("'role_ids' must not be empty");
    }
    if (static_cast<int64_t>(m.group_offsets.size()) != m.num_code_groups) {
      return invalid("'group_offsets' must have 'num_code_groups' = " + std::to_string(m.num_code_groups) +
                     " elements, found " + std::to_string(m.group_offsets.size()));
    }
    int64_t first_free_row = 0;
    for (size_t group = 0; group < m.group_offsets.size(); ++group) {
      const int64_t offset = m.group_offsets[group];
      if (group == 0 ? offset != 0 : offset < first_free_row) {
        return invalid("'group_offsets' element " + std::to_string(group) + " = " + std::to_string(offset) +
                       " overlaps the rows before it");
      }
      first_free_row = offset + (group == 0 ? m.talker_vocab_size : m.code_vocab_size);
    }
    return {};
  }

  const Json& contract_;
  ModelMetadata metadata_{};
};

}  // namespace

Result<ModelMetadata> ModelMetadata::parse(std::string_view json) {
  return catching([&]() -> Result<ModelMetadata> {
    const Json contract = parse_json_object(json);
    if (!contract.is_object()) {
      return invalid("it is not a valid JSON object");
    }
    constexpr char kVersionKey[] = "contract_version";
    const auto version = contract.find(kVersionKey);
    if (version == contract.end()) {
      return invalid("key '" + std::string(kVersionKey) + "' is missing");
    }
    if (integer_in(*version, contract::kVersion, contract::kVersion) != contract::kVersion) {
      const bool is_newer = integer_in(*version, contract::kVersion + 1, kLargest).has_value();
      return invalid("the model has contract_version " + version->dump() + ", this runner reads version " +
                     std::to_string(contract::kVersion) + (is_newer ? "; take a newer runner" : ""));
    }
    return ContractReader(contract).read();
  });
}

}  // namespace qwen3_tts
