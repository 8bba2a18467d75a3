#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace qwen3_tts {

/// Makes one channel of several, block by block: their mean, or one of them.
class ChannelMixer {
 public:
  /// `channel` counts from 0; without one, the mean is taken.
  ChannelMixer(size_t num_channels, std::optional<size_t> channel);

  /// Of [n * num_channels] samples that are finite, [n].
  const std::vector<float>& mix(const std::vector<float>& block);

  /// The loudest channel, where the mean of those that went by has lost the sound: it has less than a quarter of the
  /// energy that channels of these levels without anything in common would leave. Those of ordinary recordings have
  /// much in common, and leave more.
  std::optional<size_t> loudest_of_cancelled() const;

 private:
  size_t num_channels_;
  std::optional<size_t> channel_;
  std::vector<float> mono_;
  std::vector<double> energies_;  ///< Of each channel.
  double mean_energy_ = 0;        ///< Of the mean.
};

}  // namespace qwen3_tts
