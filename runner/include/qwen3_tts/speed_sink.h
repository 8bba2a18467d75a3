#pragma once

/// Speech a quarter faster:
/// \code
/// qwen3_tts::Status say_faster(qwen3_tts::SynthesisSession& session, const qwen3_tts::SynthesisRequest& request,
///                              qwen3_tts::AudioSink& output, int64_t sample_rate) {
///   const auto faster = qwen3_tts::SpeedSink::create(output, sample_rate, 1.25);
///   if (!faster.ok()) return faster.error();
///   const auto stats = session.synthesize(request, {}, **faster);
///   return stats.ok() ? qwen3_tts::Status() : stats.error();
/// }
/// \endcode

#include <cstdint>
#include <memory>

#include <qwen3_tts/audio_sink.h>
#include <qwen3_tts/export.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Passes speech on to another sink faster or slower, at the same pitch: libsonic repeats or leaves out periods of the
/// voice. How the samples are delivered changes nothing. At speed 1 they pass as they are.
///
/// It holds back 40 ms of speech at most, until the next delivery or the end. From n samples come n / speed, but for
/// 15 ms: a period of the deepest voice. They are rounded to 16 bits.
class QWEN3_TTS_API SpeedSink : public AudioSink {
 public:
  static constexpr double kMinSpeed = 0.5, kMaxSpeed = 2;

  /// `sink` must outlive it. Twice the speed takes half the time. `sample_rate` in Hz. kInvalidArgument for another
  /// speed, or for any but 1 when the library was built without libsonic.
  static Result<std::unique_ptr<SpeedSink>> create(AudioSink& sink, int64_t sample_rate, double speed);

  ~SpeedSink() override;
  SpeedSink(const SpeedSink&) = delete;
  SpeedSink& operator=(const SpeedSink&) = delete;
  /// Writes to the other sink what is ready.
  Status write(const float* samples, int64_t num_samples) override;
  /// Writes the rest, and closes the other sink.
  Status close() override;

 private:
  struct QWEN3_TTS_LOCAL State;

  explicit SpeedSink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace qwen3_tts
