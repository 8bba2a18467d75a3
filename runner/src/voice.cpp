#include <qwen3_tts/voice.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "codes_file.h"
#include "file.h"
#include "safetensors.h"

namespace qwen3_tts {
namespace {

// The file's names; qwen3_tts/voice.py writes them.
constexpr char kCloningModel[] = "base";  // The only type that takes voice files.
constexpr char kFormat[] = "qwen3_tts_voice";
constexpr char kFormatVersion[] = "1";
constexpr char kXVector[] = "x_vector";
constexpr char kCodes[] = "codes";
constexpr char kTextIds[] = "text_ids";

/// What a voice file says, checked step by step. A function gives an error without the file's name.
class VoiceReader {
 public:
  VoiceReader(const SafeTensors& file, const ModelMetadata& model) : file_(file), model_(model) {}

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
  static Error invalid(const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; }

  /// Requires a metadata entry to have a value.
  Status expect(const std::string& key, const std::string& expected, const std::string& remedy) const {
    const auto entry = file_.metadata.find(key);
    if (entry == file_.metadata.end()) {
      return invalid("metadata '" + key + "' is missing; it is not a voice file");
    }
    if (entry->second != expected) {
      return invalid("its " + key + " is '" + entry->second + "', but must be '" + expected + "'" + remedy);
    }
    return {};
  }

  Status read_metadata() {
    const struct {
      const char* key;
      std::string expected;
      const char* remedy;
    } expectations[] = {
        {"format", kFormat, "; it is not a voice file"},
        {"format_version", kFormatVersion, " for this runner; make the voice file again"},
        {"model_type", model_.model_type, " for this model; a voice needs a model of its own type"},
        {"hidden_size", std::to_string(model_.hidden_size), " for this model; make the voice with this model size"},
    };
    for (const auto& expectation : expectations) {
      Status status = expect(expectation.key, expectation.expected, expectation.remedy);
      if (!status.ok()) {
        return status;
      }
    }
    for (const auto& [key, target] : {std::pair{"name", &voice_.name}, std::pair{"language", &voice_.language}}) {
      const auto entry = file_.metadata.find(key);
      if (entry == file_.metadata.end()) {
        return invalid("metadata '" + std::string(key) + "' is missing; make the voice file again");
      }
      *target = entry->second;
    }
    if (voice_.language != "auto" && model_.languages.count(voice_.language) == 0) {
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
    auto values = elements<float>(kXVector, "F32", {model_.hidden_size});
    if (!values.ok()) {
      return values.error();
    }
    if (!std::all_of(values->begin(), values->end(), [](float value) { return std::isfinite(value); })) {
      return invalid("'x_vector' has a value that is not finite; make the voice file again");
    }
    voice_.x_vector = std::move(*values);
    return {};
  }

  /// The codes and ids of the reference recording, when the file has them.
  Status read_reference() {
    if (file_.tensors.count(kCodes) == 0) {
      return {};
    }
    const auto codes = elements<int32_t>(kCodes, "I32", {-1, model_.num_code_groups});
    if (!codes.ok()) {
      return codes.error();
    }
    const auto text_ids = elements<int32_t>(kTextIds, "I32", {-1});
    if (!text_ids.ok()) {
      return text_ids.error();
    }
    voice_.codes.assign(codes->begin(), codes->end());
    voice_.text_ids.assign(text_ids->begin(), text_ids->end());
    for (const int64_t id : voice_.text_ids) {
      if (id < 0 || id >= model_.text_vocab_size) {
        return invalid("text id " + std::to_string(id) + " is not in 0.." + std::to_string(model_.text_vocab_size - 1));
      }
    }
    return check_codes(voice_.codes, model_, kCodes);
  }

  const SafeTensors& file_;
  const ModelMetadata& model_;
  Voice voice_;
};

Error in_file(const std::string& path, const Error& error) {
  return Error{error.code, "voice '" + path + "': " + error.message};
}

}  // namespace

Result<Voice> Voice::load(const std::string& path, const ModelMetadata& metadata) {
  if (metadata.model_type != kCloningModel) {
    return Error{ErrorCode::kInvalidArgument, "voice '" + path + "': a " + metadata.model_type +
                                                  " model takes no voice files; leave it out, or use a Base model"};
  }
  const Result<std::string> bytes = read_file(path);
  if (!bytes.ok()) {
    return bytes.error();
  }
  const Result<SafeTensors> file = SafeTensors::parse(*bytes);
  if (!file.ok()) {
    return in_file(path, file.error());
  }
  Result<Voice> voice = VoiceReader(*file, metadata).read();
  if (!voice.ok()) {
    return in_file(path, voice.error());
  }
  return voice;
}

}  // namespace qwen3_tts
