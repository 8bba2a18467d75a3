#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <qwen3_tts/result.h>

struct soxr;

namespace qwen3_tts {

/// Samples of one rate to samples of another, a piece at a time; how they are cut into pieces changes nothing.
///
/// This is libsoxr in its "HQ" quality, single precision: what librosa, and so the reference, resamples with. A better
/// quality would be further from what the encoders were trained on.
class Resampler {
 public:
  /// Rates in Hz.
  static Result<Resampler> create(int64_t from, int64_t to);

  /// Appends what follows from the next samples to `output`: now or later, as filters look ahead.
  Status write(const float* samples, size_t num_samples, std::vector<float>& output);

  /// Appends the rest. Of n samples, ceil(n * to / from) have been made in all. Once.
  Status finish(std::vector<float>& output);

 private:
  struct Delete {
    void operator()(soxr* stream) const;
  };

  Resampler(int64_t from, int64_t to, soxr* stream) : from_(from), to_(to), stream_(stream) {}
  Status process(const float* samples, size_t num_samples, std::vector<float>& output);

  int64_t from_, to_;
  std::unique_ptr<soxr, Delete> stream_;  ///< Null when the rates are equal.
  int64_t num_read_ = 0, num_made_ = 0;
};

}  // namespace qwen3_tts
