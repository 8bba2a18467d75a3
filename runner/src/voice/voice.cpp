#include <qwen3_tts/voice.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "base/catching.h"
#include "base/codes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/names.h"
#include "base/try.h"
#include "base/unicode_nfc.h"
#include "base/x_vector.h"
#include "text/language_names.h"
#include "voice/other_file.h"
#include "voice/safetensors.h"
#include "voice/voice_digest.h"

namespace qwen3_tts {
namespace {

// The file's names, which qwen3_tts/voice.py writes and reads too.
constexpr char kFormat[] = "qwen3_tts_voice";
constexpr char kFormatVersion[] = "2";
constexpr char kVersionWithoutDigest[] = "1";  // read, and no longer written
constexpr char kFormatKey[] = "format";
constexpr char kFormatVersionKey[] = "format_version";
constexpr char kNameKey[] = "name";
constexpr char kLanguageKey[] = "language";
constexpr char kModelTypeKey[] = "model_type";
constexpr char kHiddenSizeKey[] = "hidden_size";
constexpr char kXVector[] = "x_vector";
constexpr char kCodes[] = "codes";
constexpr char kTextIds[] = "text_ids";

constexpr char kDamaged[] = "; copy or make the voice file again";
constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max();

/// What a voice file says, checked step by step, against a model when there is one. A function gives an error without
/// the file's name.
class VoiceReader {
 public:
  /// `model` may be null.
  VoiceReader(const SafeTensors& file, const ModelMetadata* model) : file_(file), model_(model) {}

  Result<Voice> read() {
    for (const auto step : {&VoiceReader::check_format, &VoiceReader::read_metadata, &VoiceReader::check_names,
                            &VoiceReader::read_x_vector, &VoiceReader::read_reference}) {
      RETURN_IF_ERROR((this->*step)());
    }
    return std::move(voice_);
  }

 private:
  static Error missing(const std::string& key) {
    return invalid_argument("metadata '" + key + "' is missing; it is not a voice file");
  }

  /// Requires a metadata entry to have a value.
  Status expect(const std::string& key, const std::string& expected, const std::string& remedy) const {
    const auto entry = file_.metadata.find(key);
    if (entry == file_.metadata.end()) {
      return missing(key);
    }
    if (entry->second != expected) {
      return invalid_argument("its " + key + " is '" + entry->second + "', but must be '" + expected + "'" + remedy);
    }
    return {};
  }

  /// The value of a metadata entry that every voice file has.
  Result<std::string> text(const std::string& key) const {
    const auto entry = file_.metadata.find(key);
    return entry == file_.metadata.end() ? Result<std::string>(missing(key)) : entry->second;
  }

  /// A voice file of a version that is known, and undamaged as far as that tells.
  Status check_format() {
    RETURN_IF_ERROR(expect(kFormatKey, kFormat, "; it is not a voice file"));
    ASSIGN_OR_RETURN(const std::string version, text(kFormatVersionKey));
    const auto digest = file_.metadata.find(kDigestKey);
    const bool has_digest = digest != file_.metadata.end();
    if (version == kVersionWithoutDigest && !has_digest) {
      return {};
    }
    RETURN_IF_ERROR(expect(kFormatVersionKey, kFormatVersion, std::string(" for this program") + kDamaged));
    if (!has_digest || digest->second != voice_digest(file_)) {
      return invalid_argument(std::string("it is damaged: its digest is not that of its content") + kDamaged);
    }
    return {};
  }

  Status read_metadata() {
    if (model_ != nullptr) {
      RETURN_IF_ERROR(
          expect(kModelTypeKey, model_->model_type, " for this model; a voice needs a model of its own type"));
      RETURN_IF_ERROR(expect(kHiddenSizeKey, std::to_string(model_->hidden_size),
                             " for this model; make the voice with this model size"));
    }
    for (const auto& [key, target] : {std::pair{kNameKey, &voice_.name}, std::pair{kLanguageKey, &voice_.language},
                                      std::pair{kModelTypeKey, &voice_.model_type}}) {
      ASSIGN_OR_RETURN(*target, text(key));
    }
    if (model_ != nullptr && !is_auto_language(voice_.language) &&
        find_language(model_->languages, voice_.language) == nullptr) {
      return invalid_argument("its language '" + voice_.language + "' is not one of this model");
    }
    return {};
  }

  Status check_names() {
    for (const auto& [name, tensor] : file_.tensors) {
      if (name != kXVector && name != kCodes && name != kTextIds) {
        return invalid_argument("tensor '" + name + "' does not belong in a voice file");
      }
    }
    if (file_.tensors.count(kCodes) != file_.tensors.count(kTextIds)) {
      return invalid_argument("'codes' and 'text_ids' come together or not at all");
    }
    return {};
  }

  /// A tensor of a dtype with elements of the size of T. -1 in `shape` stands for any size but 0.
  template <typename T>
  Result<std::vector<T>> elements(const char* name, const std::string& dtype, const std::vector<int64_t>& shape) const {
    const auto entry = file_.tensors.find(name);
    if (entry == file_.tensors.end()) {
      return invalid_argument("tensor '" + std::string(name) + "' is missing");
    }
    const TensorView& tensor = entry->second;
    const auto fits = [](int64_t wanted, int64_t found) { return wanted == -1 ? found > 0 : wanted == found; };
    if (tensor.dtype != dtype ||
        !std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end(), fits)) {
      return invalid_argument("tensor '" + std::string(name) + "' must be " + dtype + " " + shape_text(shape) +
                              ", found " + tensor.dtype + " " + shape_text(tensor.shape));
    }
    std::vector<T> values(tensor.data.size() / sizeof(T));
    std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
    return values;
  }

  static std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) {
      text += (i == 0 ? "" : ", ") + (shape[i] == -1 ? "N" : std::to_string(shape[i]));
    }
    return text + "]";
  }

  Status read_x_vector() {
    ASSIGN_OR_RETURN(voice_.x_vector, elements<float>(kXVector, "F32", {model_ != nullptr ? model_->hidden_size : -1}));
    RETURN_IF_ERROR(expect(kHiddenSizeKey, std::to_string(voice_.x_vector.size()), kDamaged));
    return check_x_vector(voice_.x_vector.data(), voice_.x_vector.size());
  }

  /// The codes and ids of the reference recording, when the file has them.
  Status read_reference() {
    if (file_.tensors.count(kCodes) == 0) {
      return {};
    }
    const int64_t num_groups = model_ != nullptr ? model_->num_code_groups : -1;
    ASSIGN_OR_RETURN(const auto codes, elements<int32_t>(kCodes, "I32", {-1, num_groups}));
    ASSIGN_OR_RETURN(const auto text_ids, elements<int32_t>(kTextIds, "I32", {-1}));
    voice_.codes.assign(codes.begin(), codes.end());
    voice_.num_code_groups = file_.tensors.at(kCodes).shape.back();
    voice_.text_ids.assign(text_ids.begin(), text_ids.end());
    const int64_t num_ids = model_ != nullptr ? model_->text_vocab_size : kLargestId + 1;
    for (const int64_t id : voice_.text_ids) {
      if (id < 0 || id >= num_ids) {
        return invalid_argument("text id " + std::to_string(id) + " is not in 0.." + std::to_string(num_ids - 1));
      }
    }
    if (model_ != nullptr) {
      return check_codes(voice_.codes, *model_, kCodes);
    }
    if (std::any_of(codes.begin(), codes.end(), [](int32_t code) { return code < 0; })) {
      return invalid_argument(std::string("'codes' has one below 0") + kDamaged);
    }
    return {};
  }

  const SafeTensors& file_;
  const ModelMetadata* model_;
  Voice voice_;
};

std::string subject_of(const std::string& path) { return "voice '" + path + "'"; }

/// The file's tensors. Those who give a recording, or another file by mistake, are told what it is.
Result<SafeTensors> parse_voice(const std::string& bytes) {
  Result<SafeTensors> file = SafeTensors::parse(bytes);
  if (file.ok()) {
    return file;
  }
  if (const char* format = recording_format(bytes)) {
    return invalid_argument("it is a recording (" + std::string(format) +
                            "), not a voice file; make a voice of it first, with qwen3_tts_voice create");
  }
  const char* other = other_file(bytes);
  return other == nullptr ? file.error() : invalid_argument(other);
}

Result<Voice> read_voice(const std::string& path, const ModelMetadata* model) {
  ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
  ASSIGN_OR_RETURN(const SafeTensors file, about(subject_of(path), parse_voice(bytes)));
  return about(subject_of(path), VoiceReader(file, model).read());
}

/// Whether the values can be written as int32.
bool are_ids(const std::vector<int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t value) { return value >= 0 && value <= kLargestId; });
}

/// What a reader would refuse.
Status check_to_save(const Voice& voice) {
  for (const std::string* text : {&voice.name, &voice.language, &voice.model_type}) {
    RETURN_IF_ERROR(about("its name, language or model type", decode_utf8(*text)));
  }
  if (voice.x_vector.empty()) {
    return invalid_argument("it has no x-vector; take one of VoiceEncoder or of a voice file");
  }
  RETURN_IF_ERROR(check_x_vector(voice.x_vector.data(), voice.x_vector.size()));
  const bool is_whole = voice.codes.empty() || (voice.num_code_groups > 0 &&
                                                voice.codes.size() % static_cast<size_t>(voice.num_code_groups) == 0);
  if (voice.codes.empty() != voice.text_ids.empty() || !is_whole || !are_ids(voice.codes) || !are_ids(voice.text_ids)) {
    return invalid_argument("its codes and text ids must come together, as whole frames, from 0 to " +
                            std::to_string(kLargestId));
  }
  return {};
}

template <typename T>
std::string_view bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

Result<Voice> Voice::load(const std::string& path, const ModelMetadata& metadata) {
  return catching([&]() -> Result<Voice> {
    if (!metadata.takes_voices()) {
      return invalid_argument(subject_of(path) + ": a " + metadata.model_type +
                              " model takes no voice files; leave it out, or use a Base model");
    }
    return read_voice(path, &metadata);
  });
}

Result<Voice> Voice::read(const std::string& path) {
  return catching([&]() -> Result<Voice> { return read_voice(path, nullptr); });
}

Status Voice::save(const std::string& path) const {
  return catching([&]() -> Status {
    RETURN_IF_ERROR(about(subject_of(path), check_to_save(*this)));
    std::vector<std::pair<std::string, std::string>> metadata = {
        {kFormatKey, kFormat},
        {kFormatVersionKey, kFormatVersion},
        {kNameKey, name},
        {kLanguageKey, language},
        {kModelTypeKey, model_type},
        {kHiddenSizeKey, std::to_string(x_vector.size())},
    };
    const std::vector<int32_t> narrow_codes(codes.begin(), codes.end());
    const std::vector<int32_t> narrow_ids(text_ids.begin(), text_ids.end());
    std::vector<std::pair<std::string, TensorView>> tensors = {
        {kXVector, {"F32", {static_cast<int64_t>(x_vector.size())}, bytes_of(x_vector)}}};
    if (!codes.empty()) {
      const int64_t num_frames = static_cast<int64_t>(codes.size()) / num_code_groups;
      tensors.push_back({kCodes, {"I32", {num_frames, num_code_groups}, bytes_of(narrow_codes)}});
      tensors.push_back({kTextIds, {"I32", {static_cast<int64_t>(text_ids.size())}, bytes_of(narrow_ids)}});
    }
    const SafeTensors content = {{tensors.begin(), tensors.end()}, {metadata.begin(), metadata.end()}};
    metadata.emplace_back(kDigestKey, voice_digest(content));
    return write_file(path, write_safetensors(tensors, metadata));
  });
}

}  // namespace qwen3_tts
