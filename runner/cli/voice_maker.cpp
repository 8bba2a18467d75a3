#include "voice_maker.h"

#include <filesystem>
#include <utility>

#include <qwen3_tts/read_recording.h>

#include "base/names.h"

namespace qwen3_tts {
namespace {

std::string stem_of(const std::string& path) { return std::filesystem::path(path).stem().string(); }

}  // namespace

Result<VoiceMaker> VoiceMaker::open(const VoiceEncoderOptions& options, const ModelMetadata& model) {
  auto encoder = VoiceEncoder::create(options);
  if (!encoder.ok()) {
    return encoder.error();
  }
  if ((*encoder)->sample_rate() != model.sample_rate) {
    return Error{ErrorCode::kInvalidModel, "'" + options.path + "' listens to " +
                                               std::to_string((*encoder)->sample_rate()) + " Hz, the model speaks at " +
                                               std::to_string(model.sample_rate) + "; export both again"};
  }
  return VoiceMaker(std::move(*encoder));
}

Result<Voice> VoiceMaker::of_recording(const std::string& path, const std::optional<std::string>& transcript) {
  std::vector<int64_t> ids;
  if (transcript.has_value()) {
    auto tokens = encoder_->tokenize(*transcript);
    if (!tokens.ok()) {
      return tokens.error();
    }
    ids = std::move(*tokens);
  }
  const auto recording = read_recording(path, encoder_->sample_rate(), {});
  if (!recording.ok()) {
    return recording.error();
  }
  return encoder_->encode(*recording, stem_of(path), kAutoLanguage, ids);
}

Status VoiceMaker::check(const SynthesisRequest& request) const {
  const auto ids = encoder_->tokenize(request.text);
  return ids.ok() ? Status() : ids.error();
}

Status VoiceMaker::save(const std::string& path, const SynthesisRequest& request, std::vector<float> samples) {
  const auto ids = encoder_->tokenize(request.text);
  if (!ids.ok()) {
    return ids.error();
  }
  const Recording recording{std::move(samples), "of this speech"};
  const auto voice = encoder_->encode(recording, stem_of(path), request.language, *ids);
  return voice.ok() ? voice->save(path) : voice.error();
}

}  // namespace qwen3_tts
