// Voice files, with their digest put right: what is behind it is looked for.

#include <qwen3_tts/voice.h>

#include "fuzzing.h"
#include "tiny_contract.h"
#include "voice/safetensors.h"
#include "voice/voice_digest.h"

namespace {

/// The file's bytes with the digest of its content in the place of the one it states, when it can be found.
std::string with_right_digest(std::string bytes) {
  const auto parsed = qwen3_tts::SafeTensors::parse(bytes);
  const auto stated = parsed.ok() ? parsed->metadata.find(qwen3_tts::kDigestKey) : decltype(parsed->metadata.end())();
  if (!parsed.ok() || stated == parsed->metadata.end()) {
    return bytes;
  }
  const std::string digest = qwen3_tts::voice_digest(*parsed);
  const size_t place = stated->second.size() == digest.size() ? bytes.find(stated->second) : std::string::npos;
  return place == std::string::npos ? bytes : bytes.replace(place, digest.size(), digest);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  static const ModelMetadata metadata = [] {
    ModelMetadata base = testing::tiny_metadata();
    base.model_type = "base";
    return base;
  }();
  const std::string bytes = with_right_digest(std::string(testing::text_of(data, size)));
  const testing::BytesAsFile file(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const auto voice = Voice::read(file.path());
  const auto fitting = Voice::load(file.path(), metadata);
  testing::require(voice.ok() || !fitting.ok(), "what fits a model is a voice");
  return 0;
}
