#pragma once

/// What a server calls them:
/// \code
/// const char* media_type(qwen3_tts::AudioFormat format) {
///   switch (format) {
///     case qwen3_tts::AudioFormat::kWav:  return "audio/wav";
///     case qwen3_tts::AudioFormat::kFlac: return "audio/flac";
///     case qwen3_tts::AudioFormat::kMp3:  return "audio/mpeg";
///     default:                            return "audio/ogg";
///   }
/// }
/// \endcode

namespace qwen3_tts {

/// Formats of sound files, each with the ending of its name.
enum class AudioFormat {
  kWav,     ///< .wav: 16 bits.
  kFlac,    ///< .flac: 16 bits, lossless.
  kOpus,    ///< .opus: Opus in Ogg.
  kVorbis,  ///< .ogg: Vorbis in Ogg.
  kMp3,     ///< .mp3
};

}  // namespace qwen3_tts
