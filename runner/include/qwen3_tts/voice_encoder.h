#pragma once

/// A recording and what is said in it become a voice file:
/// \code
/// qwen3_tts::Status keep_voice(const std::string& encoder_path, const std::string& recording_path,
///                              const std::string& transcript, const std::string& voice_path) {
///   qwen3_tts::VoiceEncoderOptions options;
///   options.path = encoder_path;
///   const auto encoder = qwen3_tts::VoiceEncoder::create(options);
///   if (!encoder.ok()) return encoder.error();
///   const auto recording = qwen3_tts::read_recording(recording_path, (*encoder)->sample_rate(), {});
///   if (!recording.ok()) return recording.error();
///   const auto text_ids = (*encoder)->tokenize(transcript);
///   if (!text_ids.ok()) return text_ids.error();
///   const auto voice = (*encoder)->encode(*recording, "Ann", "english", *text_ids);
///   return voice.ok() ? voice->save(voice_path) : voice.error();
/// }
/// \endcode

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/export.h>
#include <qwen3_tts/recording.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/voice.h>

namespace qwen3_tts {

struct VoiceEncoderOptions {
  std::string path;         ///< A voice_encoder.pte of export_unified.py --voice-encoder.
  int32_t num_threads = 0;  ///< As in EngineOptions.
};

/// Makes voices for the Base model whose checkpoint it was exported from. Methods are loaded when they are first
/// needed: the codec's only for recordings with a transcript.
class QWEN3_TTS_API VoiceEncoder {
 public:
  /// Maps the .pte, checks its contract and its methods. Errors name the file and the remedy.
  static Result<std::unique_ptr<VoiceEncoder>> create(const VoiceEncoderOptions& options);
  ~VoiceEncoder();
  VoiceEncoder(const VoiceEncoder&) = delete;
  VoiceEncoder& operator=(const VoiceEncoder&) = delete;

  int64_t sample_rate() const;  ///< Hz.

  /// Ids of a transcript, for encode(). kInvalidArgument when it is empty or not UTF-8.
  Result<std::vector<int64_t>> tokenize(const std::string& transcript) const;

  /// The voice of `recording`; one for in-context cloning, with its codes, when `transcript_ids` says what is spoken.
  /// `language` is one of the model, in any case, or "auto". kInvalidArgument when the recording is shorter or longer
  /// than the contract allows (0.5 to 60 s), silent (no sample of magnitude 0.005) or not finite. One call at a time.
  Result<Voice> encode(const Recording& recording, const std::string& name, const std::string& language,
                       const std::vector<int64_t>& transcript_ids);

 private:
  struct QWEN3_TTS_LOCAL Impl;
  explicit VoiceEncoder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace qwen3_tts
