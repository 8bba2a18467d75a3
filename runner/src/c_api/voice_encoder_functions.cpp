#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <qwen3_tts.h>
#include <qwen3_tts/json.h>
#include <qwen3_tts/voice_encoder.h>

#include "base/error.h"
#include "base/try.h"
#include "c_api/about_voice.h"
#include "c_api/arguments.h"
#include "c_api/boundary.h"
#include "c_api/handles.h"

using namespace qwen3_tts;
using namespace qwen3_tts::c_api;

namespace {

Result<Voice> encode(VoiceEncoder& encoder, std::vector<float> samples, const AboutVoice& given) {
  std::vector<int64_t> transcript_ids;
  if (given.text.has_value()) {
    ASSIGN_OR_RETURN(transcript_ids, encoder.tokenize(*given.text));
  }
  return encoder.encode({std::move(samples), "", {}}, given.name, given.language, transcript_ids);
}

}  // namespace

qwen3_tts_status qwen3_tts_voice_encoder_create(const char* options_json, qwen3_tts_voice_encoder** encoder) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(require(options_json, "options_json"));
    RETURN_IF_ERROR(require(encoder, "encoder"));
    VoiceEncoderOptions options;
    RETURN_IF_ERROR(about("options_json", from_json(options_json, options)));
    if (options.path.empty()) {
      return invalid_argument("options_json: key 'path' is missing or empty; name the voice_encoder.pte");
    }
    auto opened = std::make_shared<OpenVoiceEncoder>();
    ASSIGN_OR_RETURN(opened->encoder, VoiceEncoder::create(options));
    *encoder = VoiceEncoders::get().add(std::move(opened));
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_encoder_sample_rate(qwen3_tts_voice_encoder* encoder, int64_t* sample_rate) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, VoiceEncoders::get().find(encoder, "encoder"));
    RETURN_IF_ERROR(require(sample_rate, "sample_rate"));
    *sample_rate = opened->encoder->sample_rate();
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_encoder_encode(qwen3_tts_voice_encoder* encoder, const float* samples,
                                                size_t num_samples, const char* about_json, qwen3_tts_voice** voice) {
  return at_boundary([&]() -> Status {
    ASSIGN_OR_RETURN(const auto opened, VoiceEncoders::get().find(encoder, "encoder"));
    RETURN_IF_ERROR(require_values(samples, num_samples, "samples"));
    RETURN_IF_ERROR(require(voice, "voice"));
    ASSIGN_OR_RETURN(const AboutVoice given, read_about(about_json, kRecordingFields));
    std::vector<float> copy(samples, samples + num_samples);
    const std::lock_guard<std::mutex> lock(opened->mutex);
    ASSIGN_OR_RETURN(Voice made, encode(*opened->encoder, std::move(copy), given));
    *voice = Voices::get().add(std::make_shared<const Voice>(std::move(made)));
    return {};
  });
}

qwen3_tts_status qwen3_tts_voice_encoder_destroy(qwen3_tts_voice_encoder* encoder) {
  return at_boundary([&]() -> Status {
    RETURN_IF_ERROR(VoiceEncoders::get().remove(encoder, "encoder"));
    return {};
  });
}
