#pragma once

#include <cstdint>
#include <vector>

namespace qwen3_tts {

/// Drops the silence before an utterance: everything before the first loud sample but for a short lead-in.
class LeadingSilence {
 public:
  static constexpr float kLoud = 0.005F;    ///< A sample of this magnitude ends the silence.
  static constexpr int64_t kLeadInMs = 20;  ///< Kept before it, so that a soft onset is not cut.

  /// Without silence to drop.
  LeadingSilence() = default;
  /// `sample_rate` in Hz.
  explicit LeadingSilence(int64_t sample_rate);

  /// Takes the next samples; leaves those that are to be heard, none while it is silent.
  void trim(std::vector<float>& samples);

 private:
  bool is_over_ = true;
  int64_t lead_in_samples_ = 0;
  std::vector<float> lead_in_;  ///< The newest silent samples, at most lead_in_samples_.
};

}  // namespace qwen3_tts
