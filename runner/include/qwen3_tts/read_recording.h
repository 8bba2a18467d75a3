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
#include <optional>
#include <string>
#include <string_view>

#include <qwen3_tts/export.h>
#include <qwen3_tts/recording.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// What becomes the one channel of a recording: the mean of all channels, or one of them.
enum class RecordingChannel { kMix, kLeft, kRight };

struct RecordingOptions {
  /// Drops what comes before the first and after the last sample of magnitude 0.005 (-46 dB of full scale), but for the
  /// 20 ms next to them.
  bool trim_silence = false;

  /// The part that is taken, in seconds: where it begins, 0 or more, and how long it is, more than 0, or all that
  /// follows. Nothing behind the part is read, or judged.
  double start_s = 0;
  std::optional<double> duration_s;

  /// The left channel is the first one of any number of channels, the right one the second of two or more.
  RecordingChannel channel = RecordingChannel::kMix;

  /// Takes a recording of which more than one sample in a hundred is at full scale.
  bool allow_clipping = false;

  /// Silence that follows the samples, in seconds, 0 to 60; after what trim_silence drops. A voice that repeats the end
  /// of its recording may stop doing so.
  double append_silence_s = 0;
};

/// Reads a sound file (WAV, FLAC, OGG, MP3 and what else libsndfile reads), or a part of it, of any number of channels
/// and of 8 kHz or more, resampled to `sample_rate` in Hz as the reference does it. `path` may be a pipe, of up to 256
/// MiB; "-" is standard input.
///
/// Where the mean of the channels would lose the sound, since they cancel each other, the loudest channel is taken, and
/// a note of the recording says so. Other notes say that a part ends early, with the recording, and that an OGG file
/// has no mark of its end: it states no length.
///
/// kIo or kInvalidArgument, naming the file, when it is no sound file, damaged, empty, longer than 10 minutes or than
/// 2^27 samples of all channels, ends 50 ms or more before its header says, holds what is no number or one beyond 1e10,
/// or is clipped; and when an option has no such value.
QWEN3_TTS_API Result<Recording> read_recording(const std::string& path, int64_t sample_rate,
                                               const RecordingOptions& options);

/// The same of mono samples at `from_rate` in Hz that a program has already.
QWEN3_TTS_API Result<Recording> recording_from_samples(const float* samples, size_t num_samples, int64_t from_rate,
                                                       int64_t sample_rate, const RecordingOptions& options);

/// Reads an object whose keys are names of members, as qwen3_tts/json.h does with other options: {"start_s": 2.5,
/// "channel": "left"}. Channels are "mix", "left" and "right".
QWEN3_TTS_API Status from_json(std::string_view json, RecordingOptions& options);

}  // namespace qwen3_tts
