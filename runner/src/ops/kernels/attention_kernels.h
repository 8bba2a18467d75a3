#pragma once

#include <cstdint>

#include "ops/instruction_set.h"

namespace qwen3_tts {

/// Attention over stored rows: keys or values [count, head_dim] in one type. What a query gets does not depend on the
/// queries beside it, nor on how its positions are cut into calls.
struct StoredRowsKernels {
  /// row [head_dim] in fp32 -> stored, rounded to the nearest number of the type (never to infinity).
  void (*store_row)(const float* row, int64_t head_dim, void* stored);

  /// scores[q * stride + p] = scale * (queries [num_queries, head_dim] at q · keys at p).
  void (*dot_products)(const float* queries, int64_t num_queries, const void* keys, int64_t count, int64_t head_dim,
                       float scale, float* scores, int64_t stride);

  /// sums [num_queries, head_dim] at q += the sum of weights[q * stride + p] * values at p, in the order of p.
  void (*add_weighted)(const float* weights, int64_t stride, int64_t num_queries, const void* values, int64_t count,
                       int64_t head_dim, float* sums);
};

struct AttentionKernels {
  StoredRowsKernels float_rows;
  StoredRowsKernels half_rows;

  /// RMS norm (when `weight` is given), then rotation of split halves by `rope`, cosines then sines: all [head_dim].
  void (*norm_and_rotate)(const float* x, const float* weight, const float* rope, float eps, int64_t head_dim,
                          float* out);

  /// Turns scores into softmax weights.
  void (*softmax)(float* scores, int64_t count);
};

QWEN3_TTS_DECLARE_KERNELS(AttentionKernels, attention_kernels)

}  // namespace qwen3_tts
