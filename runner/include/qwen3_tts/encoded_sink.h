#pragma once

/// A file of the format that its name says, such as "speech.mp3":
/// \code
/// qwen3_tts::Status save(const std::vector<float>& samples, int64_t sample_rate, const std::string& path) {
///   const auto sink = qwen3_tts::EncodedSink::to_file(path, sample_rate);
///   if (!sink.ok()) return sink.error();
///   const qwen3_tts::Status status = (*sink)->write(samples.data(), static_cast<int64_t>(samples.size()));
///   return status.ok() ? (*sink)->close() : status;
/// }
/// \endcode

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A sound file in any of the formats, mono, encoded while the samples come. All of them encode what a WAV file holds:
/// samples of 16 bits, clipped to [-1, 1].
///
/// A file is written beside its place and takes it when it is closed: nobody sees a part of it, and after an error, or
/// without close(), nothing is left. A stream begins with the first write, and what of it has been made by then goes on
/// at once. Its header cannot be completed: WAV states the largest length there is, FLAC none, and MP3 has a constant
/// bit rate of 64 kbit/s, which needs none.
///
/// Deliveries of 80 ms at 24 kHz leave a stream of WAV at once, of Opus and MP3 with the next one, of FLAC in blocks of
/// 0.17 s and of Vorbis in pages of about half a second.
class QWEN3_TTS_API EncodedSink : public AudioSink {
 public:
  /// Takes the next bytes of a stream, all of them or none. Its error ends the sink.
  using Append = std::function<Status(const void* bytes, size_t size)>;

  /// In the format of the name's ending, in capitals or not; of a name without one, in `otherwise`. kInvalidArgument
  /// when the ending stands for no format, or the format does not take `sample_rate` in Hz: Opus takes 8, 12, 16, 24
  /// and 48 kHz.
  static Result<std::unique_ptr<EncodedSink>> to_file(std::string path, int64_t sample_rate,
                                                      AudioFormat otherwise = AudioFormat::kWav);
  static Result<std::unique_ptr<EncodedSink>> to_stream(Append append, int64_t sample_rate, AudioFormat format);

  ~EncodedSink() override;
  EncodedSink(const EncodedSink&) = delete;
  EncodedSink& operator=(const EncodedSink&) = delete;
  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  struct QWEN3_TTS_LOCAL State;

  explicit EncodedSink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace qwen3_tts
