#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/engine.h>
#include <qwen3_tts/recording.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>
#include <qwen3_tts/voice.h>
#include <qwen3_tts/voice_encoder.h>

namespace qwen3_tts {

/// Passes samples on and keeps a copy.
class KeepingSink : public AudioSink {
 public:
  explicit KeepingSink(AudioSink& sink) : sink_(sink) {}
  Status write(const float* samples, int64_t num_samples) override {
    samples_.insert(samples_.end(), samples, samples + num_samples);
    return sink_.write(samples, num_samples);
  }
  Status close() override { return sink_.close(); }

  std::vector<float> take() { return std::move(samples_); }

 private:
  AudioSink& sink_;
  std::vector<float> samples_;
};

/// Makes voices on the way: of a recording before anything is spoken, or of what was spoken.
class VoiceMaker {
 public:
  /// Opens a voice encoder for the engine's threads. Its sound must be that of `model`.
  static Result<VoiceMaker> open(const VoiceEncoderOptions& options, const ModelMetadata& model);

  int64_t sample_rate() const { return encoder_->sample_rate(); }  ///< Hz, of recordings.

  /// The voice of a recording that was read from the sound file `path`; in context when there is a transcript of it.
  /// Its name is that of the file.
  Result<Voice> of_recording(const Recording& recording, const std::string& path,
                             const std::optional<std::string>& transcript);

  /// What save() would refuse in `request` after all the speaking.
  Status check(const SynthesisRequest& request) const;

  /// Writes the in-context voice of an utterance of `request` to `path`, under that file's name.
  Status save(const std::string& path, const SynthesisRequest& request, std::vector<float> samples);

 private:
  explicit VoiceMaker(std::unique_ptr<VoiceEncoder> encoder) : encoder_(std::move(encoder)) {}

  std::unique_ptr<VoiceEncoder> encoder_;
};

}  // namespace qwen3_tts
