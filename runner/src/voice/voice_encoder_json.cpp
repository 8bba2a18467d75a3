#include <qwen3_tts/json.h>

#include <qwen3_tts/voice_encoder.h>

#include "base/catching.h"
#include "base/json_fields.h"

namespace qwen3_tts {
namespace {

constexpr JsonField<VoiceEncoderOptions> kFields[] = {
    json_field<VoiceEncoderOptions, &VoiceEncoderOptions::path>("path"),
    json_field<VoiceEncoderOptions, &VoiceEncoderOptions::num_threads>("num_threads"),
};

}  // namespace

Status from_json(std::string_view json, VoiceEncoderOptions& options) {
  return catching([&]() -> Status {
    ASSIGN_OR_RETURN(const Json object, read_json_object(json, R"({"path": "voice_encoder.pte"})"));
    return read_fields(kFields, object, options);
  });
}

}  // namespace qwen3_tts
