#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/audio_sink.h>

namespace qwen3_tts {

/// Where the samples of one run go: a WAV file, standard output, both or nowhere.
class RunSink : public AudioSink {
 public:
  /// `wav_path`: empty for none; its folder is made together with it, so that a run that fails leaves nothing behind.
  /// `on_delivery(num_samples)` is called after every write with the number of samples so far.
  RunSink(const std::string& wav_path, std::optional<PcmFormat> stdout_format, int64_t sample_rate,
          std::function<void(int64_t)> on_delivery);

  Status write(const float* samples, int64_t num_samples) override;
  Status close() override;

 private:
  Status make_folder();

  std::filesystem::path folder_;  ///< Still to be made; empty: none.
  std::vector<std::unique_ptr<AudioSink>> sinks_;
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
