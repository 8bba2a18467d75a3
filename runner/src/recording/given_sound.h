#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "recording/sound.h"

namespace qwen3_tts {

/// Mono samples that a program has already, and keeps.
class GivenSound : public Sound {
 public:
  /// `sample_rate` in Hz.
  GivenSound(const float* samples, size_t num_samples, int64_t sample_rate)
      : next_(samples), num_left_(num_samples), sample_rate_(sample_rate) {}

  int64_t sample_rate() const override { return sample_rate_; }
  int64_t num_channels() const override { return 1; }

  Status read(std::vector<float>& samples) override {
    constexpr size_t kBlockSamples = 1 << 16;
    const size_t count = std::min(kBlockSamples, num_left_);
    samples.assign(next_, next_ + count);
    next_ += count;
    num_left_ -= count;
    return {};
  }

 private:
  const float* next_;
  size_t num_left_;
  int64_t sample_rate_;
};

}  // namespace qwen3_tts
