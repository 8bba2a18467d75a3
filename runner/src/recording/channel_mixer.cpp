#include "recording/channel_mixer.h"

#include <algorithm>
#include <numeric>

namespace qwen3_tts {
namespace {

constexpr double kCancelled = 0.25;

}  // namespace

ChannelMixer::ChannelMixer(size_t num_channels, std::optional<size_t> channel)
    : num_channels_(num_channels), channel_(channel), energies_(num_channels) {}

const std::vector<float>& ChannelMixer::mix(const std::vector<float>& block) {
  mono_.resize(block.size() / num_channels_);
  for (size_t i = 0; i < mono_.size(); ++i) {
    const float* moment = block.data() + i * num_channels_;
    if (channel_) {
      mono_[i] = moment[*channel_];
      continue;
    }
    float sum = 0;
    for (size_t channel = 0; channel < num_channels_; ++channel) {
      sum += moment[channel];
      energies_[channel] += double{moment[channel]} * double{moment[channel]};
    }
    mono_[i] = sum / static_cast<float>(num_channels_);
    mean_energy_ += double{mono_[i]} * double{mono_[i]};
  }
  return mono_;
}

std::optional<size_t> ChannelMixer::loudest_of_cancelled() const {
  const double all = std::accumulate(energies_.begin(), energies_.end(), 0.0);
  const double independent = all / static_cast<double>(num_channels_ * num_channels_);
  if (mean_energy_ >= kCancelled * independent) {
    return std::nullopt;
  }
  return static_cast<size_t>(std::max_element(energies_.begin(), energies_.end()) - energies_.begin());
}

}  // namespace qwen3_tts
