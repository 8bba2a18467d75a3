#include "text/tokenizer_json.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json_reader.h"
#include "base/try.h"
#include "base/unicode_nfc.h"

namespace qwen3_tts {
namespace {

constexpr char kSplit[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+)"
    R"(|\s+(?!\S)|\s+)";
constexpr const char* kUnsupportedOptions[] = {
    "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback", "ignore_merges"};

Json normalizer() { return {{"type", "NFC"}}; }

Json pre_tokenizer() {
  const Json split = {{"type", "Split"}, {"pattern", {{"Regex", kSplit}}}, {"behavior", "Isolated"}, {"invert", false}};
  const Json byte_level = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}};
}

/// The characters that stand for the 256 bytes in a byte-level vocabulary (GPT-2's map), in UTF-8.
std::array<std::string, 256> byte_symbols() {
  std::array<std::string, 256> symbols;
  char32_t stand_in = 256;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool is_printable = (byte >= 33 && byte < 127) || (byte >= 161 && byte != 173);
    append_utf8(is_printable ? byte : stand_in++, symbols[byte]);
  }
  return symbols;
}

bool is_set(const Json& option) {
  return !(option.is_null() || option == Json(false) || option == Json("") || option == Json(0));
}

/// A value as an error shows it.
std::string shown(const Json& value) {
  constexpr size_t kShown = 80;
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  return text.size() <= kShown ? text : text.substr(0, kShown) + "…";
}

/// Reads the tokenizer step by step. A message names no file.
class TokenizerReader {
 public:
  TokenizerReader(const Json& root, const ModelMetadata& model) : root_(root), model_(model) {}

  Result<TextTokenizer> read() {
    for (const auto step : {&TokenizerReader::check_pipeline, &TokenizerReader::read_vocabulary,
                            &TokenizerReader::read_bytes, &TokenizerReader::read_merges}) {
      RETURN_IF_ERROR((this->*step)());
    }
    if (num_ids_ > model_.text_vocab_size) {
      return invalid_argument("its ids go up to " + std::to_string(num_ids_ - 1) + ", but the model has " +
                              std::to_string(model_.text_vocab_size) + " text rows; it belongs to another model");
    }
    TextTokenizer tokenizer(num_ids_, byte_ids_, std::move(*merges_));
    RETURN_IF_ERROR(check_templates(tokenizer));
    return tokenizer;
  }

 private:
  static const Json& member(const Json& object, const char* name) {
    static const Json kNull;
    const auto entry = object.find(name);
    return entry == object.end() ? kNull : *entry;
  }

  Status check_pipeline() {
    for (const auto& [step, expected] :
         {std::pair("normalizer", normalizer()), std::pair("pre_tokenizer", pre_tokenizer())}) {
      if (member(root_, step) != expected) {
        return invalid_argument(std::string(step) + " must be that of Qwen2, found " + shown(member(root_, step)));
      }
    }
    const Json& model = member(root_, "model");
    if (!model.is_object() || member(model, "type") != Json("BPE")) {
      return invalid_argument("the model must be an object of type BPE");
    }
    for (const char* option : kUnsupportedOptions) {
      if (is_set(member(model, option))) {
        return invalid_argument("BPE option " + std::string(option) + " = " + shown(model[option]) +
                                " is not supported");
      }
    }
    return {};
  }

  Status read_vocabulary() {
    const Json& vocabulary = member(root_["model"], "vocab");
    if (!vocabulary.is_object()) {
      return invalid_argument("model needs 'vocab' (an object)");
    }
    std::unordered_map<uint32_t, std::string> token_of;
    for (const auto& [token, value] : vocabulary.items()) {
      // nlohmann stores whole numbers from 0 on as unsigned.
      const auto* id = value.get_ptr<const Json::number_unsigned_t*>();
      if (id == nullptr || *id >= TextTokenizer::kMaxIds) {
        return invalid_argument("the vocabulary gives token " + shown(token) + " the id " + shown(value) +
                                "; ids are integers from 0 to " + std::to_string(TextTokenizer::kMaxIds - 1));
      }
      const auto [other, is_new] = token_of.emplace(static_cast<uint32_t>(*id), token);
      if (!is_new) {
        return invalid_argument("the vocabulary gives id " + std::to_string(*id) + " to two tokens, " +
                                shown(other->second) + " and " + shown(token));
      }
      ids_.emplace(token, static_cast<uint32_t>(*id));
    }
    return {};
  }

  /// The token's id, counted among those in use.
  std::optional<uint32_t> use(const std::string& token) {
    const auto entry = ids_.find(token);
    if (entry == ids_.end()) {
      return std::nullopt;
    }
    num_ids_ = std::max(num_ids_, int64_t{entry->second} + 1);
    return entry->second;
  }

  Status read_bytes() {
    const std::array<std::string, 256> symbols = byte_symbols();
    for (size_t byte = 0; byte < symbols.size(); ++byte) {
      const auto id = use(symbols[byte]);
      if (!id) {
        return invalid_argument("the vocabulary has no token " + shown(symbols[byte]) + " for byte " +
                                std::to_string(byte));
      }
      byte_ids_[byte] = *id;
    }
    return {};
  }

  Status read_merges() {
    const Json& merges = member(root_["model"], "merges");
    if (!merges.is_array()) {
      return invalid_argument("model needs 'merges' (a list)");
    }
    merges_.emplace(merges.size());
    for (size_t rank = 0; rank < merges.size(); ++rank) {
      const Json& merge = merges[rank];
      const std::string where = "merge " + std::to_string(rank) + " " + shown(merge);
      if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) {
        return invalid_argument(where + " must be a pair of tokens");
      }
      const auto& left = merge[0].get_ref<const std::string&>();
      const auto& right = merge[1].get_ref<const std::string&>();
      std::array<uint32_t, 3> ids{};
      const std::array<std::string, 3> tokens = {left, right, left + right};
      for (size_t i = 0; i < tokens.size(); ++i) {
        const auto id = use(tokens[i]);
        if (!id) {
          return invalid_argument(where + ": " + shown(tokens[i]) + " is not in the vocabulary");
        }
        ids[i] = *id;
      }
      if (!merges_->append({ids[0], ids[1], ids[2]})) {
        return invalid_argument(where + " is listed twice");
      }
    }
    return {};
  }

  /// The id of an added token such as <|im_start|>, or -1.
  int64_t added_id(const std::string& content) const {
    const Json& tokens = member(root_, "added_tokens");
    if (!tokens.is_array()) {
      return -1;
    }
    for (const Json& token : tokens) {
      if (token.is_object() && member(token, "content") == Json(content)) {
        const auto* id = member(token, "id").get_ptr<const Json::number_unsigned_t*>();
        return id == nullptr ? -1 : static_cast<int64_t>(*id);
      }
    }
    return -1;
  }

  /// The prompt around a text is made of the contract's ids: they must be what this file would give.
  Status check_templates(const TextTokenizer& tokenizer) const {
    const struct {
      const char* name;
      const char* added;
      const char* text;
      const std::vector<int64_t>& expected;
    } templates[] = {{"role_ids", "<|im_start|>", "assistant\n", model_.role_ids},
                     {"instruct_prefix_ids", "<|im_start|>", "user\n", model_.instruct_prefix_ids},
                     {"instruct_suffix_ids", "<|im_end|>", "\n", model_.instruct_suffix_ids}};
    for (const auto& fixed : templates) {
      std::vector<int64_t> ids = {added_id(fixed.added)};
      ASSIGN_OR_RETURN(const auto text_ids, tokenizer.encode(fixed.text));
      ids.insert(ids.end(), text_ids.begin(), text_ids.end());
      if (ids != fixed.expected) {
        return invalid_argument("it encodes " + std::string(fixed.added) + shown(fixed.text) + " as " + shown(ids) +
                                ", but the model's " + fixed.name + " are " + shown(fixed.expected) +
                                "; it belongs to another model");
      }
    }
    return {};
  }

  const Json& root_;
  const ModelMetadata& model_;
  std::unordered_map<std::string, uint32_t> ids_;
  std::array<uint32_t, 256> byte_ids_{};
  std::optional<MergeTable> merges_;
  int64_t num_ids_ = 0;
};

}  // namespace

Result<TextTokenizer> read_tokenizer_json(const std::string& path, const ModelMetadata& model) {
  ASSIGN_OR_RETURN(const std::string text, read_file(path));
  const Json root = parse_json_object(text);
  if (!root.is_object()) {
    return invalid_argument("'" + path +
                            "' is not a valid JSON object; give the tokenizer.json of a converted checkpoint");
  }
  return about("'" + path + "'", TokenizerReader(root, model).read());
}

}  // namespace qwen3_tts
