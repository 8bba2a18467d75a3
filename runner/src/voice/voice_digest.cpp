#include "voice/voice_digest.h"

#include <cinttypes>
#include <cstdio>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace qwen3_tts {
namespace {

constexpr const char* kKeys[] = {"format", "format_version", "name", "language", "hidden_size", "model_type"};
constexpr const char* kTensors[] = {"x_vector", "codes", "text_ids"};

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) {
    text += (text.empty() ? "" : ",") + std::to_string(size);
  }
  return text;
}

}  // namespace

std::string voice_digest(const SafeTensors& file) {
  std::string content;
  const auto add = [&](const std::string& name, const std::string& value) {
    content.append(name).push_back('\0');
    content.append(value).push_back('\0');
  };
  for (const char* key : kKeys) {
    if (const auto entry = file.metadata.find(key); entry != file.metadata.end()) {
      add(key, entry->second);
    }
  }
  for (const char* name : kTensors) {
    if (const auto entry = file.tensors.find(name); entry != file.tensors.end()) {
      add(name, text_of(entry->second.shape));
      content.append(entry->second.data);
    }
  }
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016" PRIx64, XXH3_64bits(content.data(), content.size()));
  return digits;
}

}  // namespace qwen3_tts
