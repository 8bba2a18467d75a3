#include "audio/leading_silence.h"

#include <algorithm>
#include <cmath>

namespace qwen3_tts {

LeadingSilence::LeadingSilence(int64_t sample_rate)
    : is_over_(false), lead_in_samples_(sample_rate * kLeadInMs / 1000) {}

void LeadingSilence::trim(std::vector<float>& samples) {
  if (is_over_) {
    return;
  }
  samples.insert(samples.begin(), lead_in_.begin(), lead_in_.end());
  const auto loud =
      std::find_if(samples.begin(), samples.end(), [](float sample) { return std::abs(sample) >= kLoud; });
  const auto keep_from = loud - std::min<std::ptrdiff_t>(loud - samples.begin(), lead_in_samples_);
  if (loud != samples.end()) {
    is_over_ = true;
    samples.erase(samples.begin(), keep_from);
    return;
  }
  lead_in_.assign(keep_from, samples.end());
  samples.clear();
}

}  // namespace qwen3_tts
