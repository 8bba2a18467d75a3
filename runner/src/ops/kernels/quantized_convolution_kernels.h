#pragma once

#include <cstdint>

#include "ops/instruction_set.h"
#include "ops/kernels/column_kernels.h"

namespace qwen3_tts {

inline constexpr int64_t kSliceHeaderBytes = 4 * kPanelOutputs;  // in front of the weights of a tap, or a digit of them
inline constexpr int64_t kWeightBase = 16;  // of weights with two digits: in [-127, 127] and [-8, 7]
inline constexpr int64_t kMaxWideDepth = 4096;  // of weights with two digits

struct QuantizedConvolutionKernels {
  /// sums [rows, kPanelOutputs] += scales[row] * (codes of the row · weights). `codes`: rows of `depth` bytes,
  /// `stride` apart. `weights`: the header, kPanelOutputs int32, -kCodeOffset times the sum of each output's weights,
  /// then [depth / 4, kPanelOutputs, 4] int8 in [-127, 127], not aligned. What a row gets does not depend on the
  /// others.
  void (*multiply)(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
                   int64_t depth, float* sums);

  /// The same for codes and weights of two digits, without the product of both low ones, which is below the rounding of
  /// the others: `codes` are rows of high digits, then low ones. Behind the weights stand the low digits: a header
  /// again, then [depth / 8, kPanelOutputs, 4] bytes, each with a digit of an even quad of inputs and one of the next,
  /// plus 8, the even one in its low half.
  void (*multiply_wide)(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
                        int64_t depth, float* sums);
};

QWEN3_TTS_DECLARE_KERNELS(QuantizedConvolutionKernels, quantized_convolution_kernels)

}  // namespace qwen3_tts
