#include <qwen3_tts/voice.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "base/codes.h"
#include "base/file.h"
#include "text/unicode_nfc.h"
#include "voice/safetensors.h"

namespace qwen3_tts {
namespace {

// The file's names, which qwen3_tts/voice.py writes and reads too.
constexpr char kFormat[] = "qwen3_tts_voice";
constexpr char kFormatVersion[] = "1";
constexpr char kFormatKey[] = "format";
constexpr char kFormatVersionKey[] = "format_version";
constexpr char kNameKey[] = "name";
constexpr char kLanguageKey[] = "language";
constexpr char kModelTypeKey[] = "model_type";
constexpr char kHiddenSizeKey[] = "hidden_size";
constexpr char kXVector[] = "x_vector";
constexpr char kCodes[] = "codes";
constexpr char kTextIds[] = "text_ids";

constexpr char kDamaged[] = "; make the voice file again";
constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max();

Error invalid(const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; }

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

/// What a voice file says, checked step by step, against a model when there is one. A function gives an error without
/// the file's name.
class VoiceReader {
 public:
  /// `model` may be null.
  VoiceReader(const SafeTensors& file, const ModelMetadata* model) : file_(file), model_(model) {}

  Result<Voice> read() {
    for (const auto step : {&VoiceReader::read_metadata, &VoiceReader::check_names, &VoiceReader::read_x_vector,
                            &VoiceReader::read_reference}) {
      const Status status = (this->*step)();
      if (!status.ok()) {
        return status.error();
      }
    }
    return std::move(voice_);
  }

 private:
  static Error missing(const std::string& key) {
    return invalid("metadata '" + key + "' is missing; it is not a voice file");
  }

  /// Requires a metadata entry to have a value.
  Status expect(const std::string& key, const std::string& expected, const std::string& remedy) const {
    const auto entry = file_.metadata.find(key);
    if (entry == file_.metadata.end()) {
      return missing(key);
    }
    if (entry->second != expected) {
      return invalid("its " + key + " is '" + entry->second + "', but must be '" + expected + "'" + remedy);
    }
    return {};
  }

  /// The value of a metadata entry that every voice file has.
  Result<std::string> text(const std::string& key) const {
    const auto entry = file_.metadata.find(key);
    return entry == file_.metadata.end() ? Result<std::string>(missing(key)) : entry->second;
  }

  Status read_metadata() {
    struct Expectation {
      const char* key;
      std::string expected;
      const char* remedy;
    };
    std::vector<Expectation> expectations = {
        {kFormatKey, kFormat, "; it is not a voice file"},
        {kFormatVersionKey, kFormatVersion, " for this program; make the voice file again"},
    };
    if (model_ != nullptr) {
      expectations.push_back(
          {kModelTypeKey, model_->model_type, " for this model; a voice needs a model of its own type"});
      expectations.push_back({kHiddenSizeKey, std::to_string(model_->hidden_size),
                              " for this model; make the voice with this model size"});
    }
    for (const Expectation& expectation : expectations) {
      Status status = expect(expectation.key, expectation.expected, expectation.remedy);
      if (!status.ok()) {
        return status;
      }
    }
    for (const auto& [key, target] : {std::pair{kNameKey, &voice_.name}, std::pair{kLanguageKey, &voice_.language},
                                      std::pair{kModelTypeKey, &voice_.model_type}}) {
      auto value = text(key);
      if (!value.ok()) {
        return value.error();
      }
      *target = std::move(*value);
    }
    if (model_ != nullptr && voice_.language != "auto" && model_->languages.count(voice_.language) == 0) {
      return invalid("its language '" + voice_.language + "' is not one of this model");
    }
    return {};
  }

  Status check_names() {
    for (const auto& [name, tensor] : file_.tensors) {
      if (name != kXVector && name != kCodes && name != kTextIds) {
        return invalid("tensor '" + name + "' does not belong in a voice file");
      }
    }
    if (file_.tensors.count(kCodes) != file_.tensors.count(kTextIds)) {
      return invalid("'codes' and 'text_ids' come together or not at all");
    }
    return {};
  }

  /// A tensor of a dtype with elements of the size of T. -1 in `shape` stands for any size but 0.
  template <typename T>
  Result<std::vector<T>> elements(const char* name, const std::string& dtype, const std::vector<int64_t>& shape) const {
    const auto entry = file_.tensors.find(name);
    if (entry == file_.tensors.end()) {
      return invalid("tensor '" + std::string(name) + "' is missing");
    }
    const TensorView& tensor = entry->second;
    const auto fits = [](int64_t wanted, int64_t found) { return wanted == -1 ? found > 0 : wanted == found; };
    if (tensor.dtype != dtype ||
        !std::equal(shape.begin(), shape.end(), tensor.shape.begin(), tensor.shape.end(), fits)) {
      return invalid("tensor '" + std::string(name) + "' must be " + dtype + " " + shape_text(shape) + ", found " +
                     tensor.dtype + " " + shape_text(tensor.shape));
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
    auto values = elements<float>(kXVector, "F32", {model_ != nullptr ? model_->hidden_size : -1});
    if (!values.ok()) {
      return values.error();
    }
    if (Status status = expect(kHiddenSizeKey, std::to_string(values->size()), kDamaged); !status.ok()) {
      return status;
    }
    if (!all_finite(*values)) {
      return invalid(std::string("'x_vector' has a value that is not finite") + kDamaged);
    }
    voice_.x_vector = std::move(*values);
    return {};
  }

  /// The codes and ids of the reference recording, when the file has them.
  Status read_reference() {
    if (file_.tensors.count(kCodes) == 0) {
      return {};
    }
    const auto codes = elements<int32_t>(kCodes, "I32", {-1, model_ != nullptr ? model_->num_code_groups : -1});
    if (!codes.ok()) {
      return codes.error();
    }
    const auto text_ids = elements<int32_t>(kTextIds, "I32", {-1});
    if (!text_ids.ok()) {
      return text_ids.error();
    }
    voice_.codes.assign(codes->begin(), codes->end());
    voice_.num_code_groups = file_.tensors.at(kCodes).shape.back();
    voice_.text_ids.assign(text_ids->begin(), text_ids->end());
    const int64_t num_ids = model_ != nullptr ? model_->text_vocab_size : kLargestId + 1;
    for (const int64_t id : voice_.text_ids) {
      if (id < 0 || id >= num_ids) {
        return invalid("text id " + std::to_string(id) + " is not in 0.." + std::to_string(num_ids - 1));
      }
    }
    if (model_ != nullptr) {
      return check_codes(voice_.codes, *model_, kCodes);
    }
    const bool has_negative = std::any_of(codes->begin(), codes->end(), [](int32_t code) { return code < 0; });
    return has_negative ? Status(invalid(std::string("'codes' has one below 0") + kDamaged)) : Status();
  }

  const SafeTensors& file_;
  const ModelMetadata* model_;
  Voice voice_;
};

Error in_file(const std::string& path, const Error& error) {
  return Error{error.code, "voice '" + path + "': " + error.message};
}

Result<Voice> read_voice(const std::string& path, const ModelMetadata* model) {
  const Result<std::string> bytes = read_file(path);
  if (!bytes.ok()) {
    return bytes.error();
  }
  const Result<SafeTensors> file = SafeTensors::parse(*bytes);
  if (!file.ok()) {
    return in_file(path, file.error());
  }
  Result<Voice> voice = VoiceReader(*file, model).read();
  if (!voice.ok()) {
    return in_file(path, voice.error());
  }
  return voice;
}

/// Whether the values can be written as int32.
bool are_ids(const std::vector<int64_t>& values) {
  return std::all_of(values.begin(), values.end(), [](int64_t value) { return value >= 0 && value <= kLargestId; });
}

/// What a reader would refuse.
Status check_to_save(const Voice& voice) {
  for (const std::string* text : {&voice.name, &voice.language, &voice.model_type}) {
    if (const auto decoded = decode_utf8(*text); !decoded.ok()) {
      return invalid("its name, language or model type: " + decoded.error().message);
    }
  }
  if (voice.x_vector.empty() || !all_finite(voice.x_vector)) {
    return invalid("it has no x-vector of finite numbers; take one of VoiceEncoder or of a voice file");
  }
  const bool is_whole = voice.codes.empty() || (voice.num_code_groups > 0 &&
                                                voice.codes.size() % static_cast<size_t>(voice.num_code_groups) == 0);
  if (voice.codes.empty() != voice.text_ids.empty() || !is_whole || !are_ids(voice.codes) || !are_ids(voice.text_ids)) {
    return invalid("its codes and text ids must come together, as whole frames, from 0 to " +
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
  if (!metadata.takes_voices()) {
    return Error{ErrorCode::kInvalidArgument, "voice '" + path + "': a " + metadata.model_type +
                                                  " model takes no voice files; leave it out, or use a Base model"};
  }
  return read_voice(path, &metadata);
}

Result<Voice> Voice::read(const std::string& path) { return read_voice(path, nullptr); }

Status Voice::save(const std::string& path) const {
  if (Status status = check_to_save(*this); !status.ok()) {
    return in_file(path, status.error());
  }
  const std::vector<std::pair<std::string, std::string>> metadata = {
      {kFormatKey, kFormat},    {kFormatVersionKey, kFormatVersion}, {kNameKey, name},
      {kLanguageKey, language}, {kModelTypeKey, model_type},         {kHiddenSizeKey, std::to_string(x_vector.size())},
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
  return write_file(path, write_safetensors(tensors, metadata));
}

}  // namespace qwen3_tts
