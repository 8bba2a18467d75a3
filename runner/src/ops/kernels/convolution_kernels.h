#pragma once

#include <cstdint>

#include "ops/instruction_set.h"
#include "ops/kernels/column_kernels.h"

namespace qwen3_tts {

/// Minimal filtering of seven taps (Winograd 1980): a tile of four outputs from ten inputs takes 13 products, not 28.
///
/// The taps are cut into two halves of four, of which the last is zero. Four outputs of one half are the product of
/// polynomials evaluated at 0, 1, -1, 2, -2, 1/2 and infinity (Toom-Cook). The second half's inputs are the first
/// half's of the next tile, so every tile's inputs are evaluated once; and its last tap being zero, it is zero at
/// infinity.
inline constexpr int64_t kTileOutputs = 4;
inline constexpr int64_t kTileInputs = 7;  // of one half, and as many points
inline constexpr int64_t kFilterTaps = 7;
inline constexpr int64_t kFilterSlices = 13;  // points of the first half, then those of the second but infinity

struct ConvolutionKernels {
  /// out[i] = x[i] + sin(x[i] alpha[i])^2 inv_beta[i], for `width` values.
  void (*snake)(const float* x, const float* alpha, const float* inv_beta, int64_t width, float* out);

  /// sums [count, kPanelOutputs] += rows · weights [depth, kPanelOutputs]. `rows` are `stride` apart. What a row gets
  /// does not depend on the others.
  void (*multiply)(const float* rows, int64_t stride, int64_t count, const float* weights, int64_t depth, float* sums);

  /// The sum of x[i] * weights[i], for `size` values.
  float (*dot)(const float* x, const float* weights, int64_t size);

  /// out[i] += x[i] * weights[i], for `width` values.
  void (*multiply_add)(const float* x, const float* weights, int64_t width, float* out);

  /// The columns [kTileInputs, width] of a tile evaluated at every point: point p at out + p * plane.
  void (*evaluate_inputs)(const float* const* columns, int64_t width, float* out, int64_t plane);

  /// Taps [depth, kPanelOutputs], tap t at weights + t * tap_stride, evaluated: out [kFilterSlices, depth,
  /// kPanelOutputs].
  void (*evaluate_weights)(const float* weights, int64_t tap_stride, int64_t depth, float* out);

  /// The outputs [kTileOutputs, kPanelOutputs] of a tile whose sums at point p are at sums + p * plane.
  void (*interpolate)(const float* sums, int64_t plane, float* out);
};

QWEN3_TTS_DECLARE_KERNELS(ConvolutionKernels, convolution_kernels)

}  // namespace qwen3_tts
