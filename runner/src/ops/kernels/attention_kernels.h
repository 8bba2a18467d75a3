#pragma once

#include <cstdint>

#include "ops/instruction_set.h"

namespace qwen3_tts {

/// The loops of attention over `count` positions of one head.
struct AttentionKernels {
  /// scores[p] = scale * (query [head_dim] · keys [count, head_dim] at p).
  void (*dot_products)(const float* query, const float* keys, int64_t count, int64_t head_dim, float scale,
                       float* scores);

  /// out [head_dim] += the sum of weights[p] * values [count, head_dim] at p, in the order of p.
  void (*add_weighted)(const float* weights, const float* values, int64_t count, int64_t head_dim, float* out);
};

QWEN3_TTS_DECLARE_KERNELS(AttentionKernels, attention_kernels)

}  // namespace qwen3_tts
