#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>

#include <qwen3_tts/result.h>

#include "base/error.h"
#include "base/try.h"

/// Samples as whole numbers.
namespace qwen3_tts {

/// What stands for 1.
inline constexpr float kInt16FullScale = 32767.0F;

/// The 16-bit sample nearest to `sample`, which is clipped to [-1, 1]. Must not be NaN.
inline int16_t to_int16(float sample) {
  return static_cast<int16_t>(std::lrint(std::clamp(sample, -1.0F, 1.0F) * kInt16FullScale));
}

inline Status check_not_nan(const float* samples, int64_t num_samples) {
  const float* end = samples + num_samples;
  const float* nan = std::find_if(samples, end, [](float sample) { return std::isnan(sample); });
  if (nan != end) {
    return Error{ErrorCode::kExecution, "sample " + std::to_string(nan - samples) +
                                            " of this delivery is not a number: the codec decoder is broken; "
                                            "re-export with export_unified.py"};
  }
  return {};
}

/// Calls `take(const int16_t*, int64_t)` with the samples as 16 bits, a block at a time, until one fails.
template <typename Take>
Status for_each_int16_block(const float* samples, int64_t num_samples, const Take& take) {
  constexpr int64_t kBlockSamples = 4096;
  std::array<int16_t, kBlockSamples> block;
  for (int64_t first = 0; first < num_samples; first += kBlockSamples) {
    const int64_t count = std::min(kBlockSamples, num_samples - first);
    std::transform(samples + first, samples + first + count, block.begin(), to_int16);
    RETURN_IF_ERROR(take(block.data(), count));
  }
  return {};
}

}  // namespace qwen3_tts
