#pragma once

/// Samples that a program has already become a voice:
/// \code
/// qwen3_tts::Result<qwen3_tts::Voice> voice_of(std::vector<float> samples, qwen3_tts::VoiceEncoder& encoder) {
///   const qwen3_tts::Recording recording{std::move(samples), "of the microphone", {}};
///   return encoder.encode(recording, "Ann", "auto", {});
/// }
/// \endcode

#include <string>
#include <vector>

namespace qwen3_tts {

/// Somebody speaking: mono samples at VoiceEncoder::sample_rate(), full scale at -1 and 1.
struct Recording {
  std::vector<float> samples;
  std::string source;  ///< What errors call it, such as the file it is from; may be empty.
  std::vector<std::string> notes;  ///< What whoever reads a sound file should be told: sentences without an end.
};

}  // namespace qwen3_tts
