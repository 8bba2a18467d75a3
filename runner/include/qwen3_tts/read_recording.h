#pragma once

/// How long somebody speaks, without the silence around it:
/// \code
/// qwen3_tts::Result<double> seconds_of_speech(const std::string& path) {
///   qwen3_tts::RecordingOptions options;
///   options.trim_silence = true;
///   const auto recording = qwen3_tts::read_recording(path, 24000, options);
///   if (!recording.ok()) return recording.error();
///   return static_cast<double>(recording->samples.size()) / 24000.0;
/// }
/// \endcode

#include <cstdint>
#include <string>

#include <qwen3_tts/export.h>
#include <qwen3_tts/recording.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

struct RecordingOptions {
  /// Drops what comes before the first and after the last sample of magnitude 0.005 (-46 dB of full scale), but for the
  /// 20 ms next to them.
  bool trim_silence = false;
};

/// Reads a sound file (WAV, FLAC, OGG, MP3 and what else libsndfile reads), of any number of channels, whose mean is
/// taken, and of 8 kHz or more, resampled to `sample_rate` in Hz as the reference does it. `path` may be a pipe, of up
/// to 256 MiB; "-" is standard input.
///
/// A note of the recording says that an OGG file has no mark of its end: it states no length.
///
/// kIo or kInvalidArgument, naming the file, when it is no sound file, damaged, empty, longer than 10 minutes, ends 50
/// ms or more before its header says, holds what is no number, or is clipped: one sample in a hundred at full scale.
QWEN3_TTS_API Result<Recording> read_recording(const std::string& path, int64_t sample_rate,
                                               const RecordingOptions& options);

}  // namespace qwen3_tts
