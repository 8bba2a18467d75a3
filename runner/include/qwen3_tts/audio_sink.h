#pragma once

/// SynthesisSession::synthesize() writes to a WavSink, a PcmSink, a WavStreamSink or a sink of the program's own, such
/// as this one:
/// \code
/// class LoudnessMeter : public qwen3_tts::AudioSink {
///  public:
///   qwen3_tts::Status write(const float* samples, int64_t num_samples) override {
///     for (int64_t i = 0; i < num_samples; ++i) peak = std::max(peak, std::abs(samples[i]));
///     return {};
///   }
///   qwen3_tts::Status close() override { return {}; }
///
///   float peak = 0;
/// };
/// \endcode

#include <cstdint>
#include <memory>
#include <string>

#include <qwen3_tts/export.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Samples of one delivery. `samples` stays valid until the session's next call.
struct AudioChunk {
  const float* samples;  ///< [num_samples] mono, in [-1, 1].
  int64_t num_samples;   ///< May be 0 in the last chunk, and when text is needed.
  int64_t sample_rate;   ///< Hz.
  int64_t first_frame;   ///< Index of the chunk's first frame in the utterance.
  int64_t num_frames;    ///< 0: it is silence of a pause.
  bool is_last;
  /// All there is of an open text is spoken: SynthesisSession::append() or finish() must come before more samples do.
  bool needs_text = false;
};

/// Takes an utterance's samples in order.
class QWEN3_TTS_API AudioSink {
 public:
  virtual ~AudioSink() = default;
  /// Takes `num_samples` samples in [-1, 1]. An error ends the synthesis.
  virtual Status write(const float* samples, int64_t num_samples) = 0;
  /// Completes the output. Called once, after the last write.
  virtual Status close() = 0;
};

/// A growing 16-bit mono WAV file: its header is right after every write, so the file plays at any moment.
/// The file is created by the first write (or by close() of an empty utterance); when the disk is full it keeps the
/// samples that fitted, and is removed when there are none.
class QWEN3_TTS_API WavSink : public AudioSink {
 public:
  WavSink(std::string path, int64_t sample_rate);
  ~WavSink() override;
  WavSink(const WavSink&) = delete;
  WavSink& operator=(const WavSink&) = delete;
  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  struct QWEN3_TTS_LOCAL State;
  std::unique_ptr<State> state_;
};

enum class PcmFormat { kS16le, kF32le };

/// Raw little-endian mono samples to a file descriptor, which stays open.
class QWEN3_TTS_API PcmSink : public AudioSink {
 public:
  PcmSink(int file_descriptor, PcmFormat format);
  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  int file_descriptor_;
  PcmFormat format_;
};

/// A 16-bit mono WAV file to a file descriptor, which stays open and may be a pipe: its header, which is not updated,
/// states the largest length there is, and players read to the end.
class QWEN3_TTS_API WavStreamSink : public AudioSink {
 public:
  WavStreamSink(int file_descriptor, int64_t sample_rate);
  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  QWEN3_TTS_LOCAL Status begin();

  int file_descriptor_;
  int64_t sample_rate_;  ///< Hz.
  PcmSink samples_;
  bool has_header_ = false;
};

}  // namespace qwen3_tts
