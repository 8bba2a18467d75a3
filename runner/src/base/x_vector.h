#pragma once

#include <cstddef>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// kInvalidArgument unless the values are finite, and not thousands of times as long together as a voice encoder makes
/// them: such a vector is damaged, or no x-vector.
Status check_x_vector(const float* values, size_t size);

}  // namespace qwen3_tts
