#include "voice_maker.h"

#include <filesystem>
#include <utility>

#include "base/names.h"
#include "base/try.h"
#include "text/pause_markup.h"

namespace qwen3_tts {
namespace {

std::string stem_of(const std::string& path) { return std::filesystem::path(path).stem().string(); }

/// What was said, without the pauses that the text orders.
std::string transcript(const SynthesisRequest& request) {
  return request.markup ? without_pauses(request.text) : request.text;
}

}  // namespace

Result<VoiceMaker> VoiceMaker::open(const VoiceEncoderOptions& options, const ModelMetadata& model) {
  ASSIGN_OR_RETURN(auto encoder, VoiceEncoder::create(options));
  if (encoder->sample_rate() != model.sample_rate) {
    return Error{ErrorCode::kInvalidModel, "'" + options.path + "' listens to " +
                                               std::to_string(encoder->sample_rate()) + " Hz, the model speaks at " +
                                               std::to_string(model.sample_rate) + "; export both again"};
  }
  return VoiceMaker(std::move(encoder));
}

Result<Voice> VoiceMaker::of_recording(const Recording& recording, const std::string& path,
                                       const std::optional<std::string>& transcript) {
  std::vector<int64_t> ids;
  if (transcript.has_value()) {
    ASSIGN_OR_RETURN(ids, encoder_->tokenize(*transcript));
  }
  return encoder_->encode(recording, stem_of(path), kAutoLanguage, ids);
}

Status VoiceMaker::check(const SynthesisRequest& request) const {
  RETURN_IF_ERROR(encoder_->tokenize(transcript(request)));
  return {};
}

Status VoiceMaker::save(const std::string& path, const SynthesisRequest& request, std::vector<float> samples) {
  ASSIGN_OR_RETURN(const auto ids, encoder_->tokenize(transcript(request)));
  const Recording recording{std::move(samples), "of this speech", {}};
  ASSIGN_OR_RETURN(const Voice voice, encoder_->encode(recording, stem_of(path), request.language, ids));
  return voice.save(path);
}

}  // namespace qwen3_tts
