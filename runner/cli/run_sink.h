#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/audio_sink.h>

namespace qwen3_tts {

/// Where the samples of one run go, and how.
struct Destination {
  std::string path;                        ///< Sound file, or kStandardOutput; empty: none.
  AudioFormat format = AudioFormat::kWav;  ///< Of `path`.
  std::optional<PcmFormat> raw;            ///< Samples to standard output, too.
  double speed = 1;
};

/// Every sample to several sinks.
class TeeSink : public AudioSink {
 public:
  void add(std::unique_ptr<AudioSink> sink) { sinks_.push_back(std::move(sink)); }
  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  std::vector<std::unique_ptr<AudioSink>> sinks_;
};

/// The samples of one run: a sound file, standard output, both or nowhere.
class RunSink : public AudioSink {
 public:
  /// The folder of a file is made together with it, so that a run that fails leaves nothing behind.
  /// `on_delivery(num_samples)` is called after every write with the number of samples so far.
  static Result<std::unique_ptr<RunSink>> open(const Destination& destination, int64_t sample_rate,
                                               std::function<void(int64_t)> on_delivery);

  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  explicit RunSink(std::function<void(int64_t)> on_delivery) : on_delivery_(std::move(on_delivery)) {}
  Status make_folder();
  AudioSink& first() { return at_speed_ == nullptr ? outputs_ : *at_speed_; }

  std::filesystem::path folder_;  ///< Still to be made; empty: none.
  TeeSink outputs_;
  std::unique_ptr<AudioSink> at_speed_;  ///< Before `outputs_`; null: they take the samples as they are.
  std::function<void(int64_t)> on_delivery_;
  int64_t num_samples_ = 0;
};

/// Samples of a warm-up.
class NullSink : public AudioSink {
 public:
  Status write(const float*, int64_t) override { return {}; }
  Status close() override { return {}; }
};

}  // namespace qwen3_tts
