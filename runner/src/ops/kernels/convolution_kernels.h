#pragma once

#include <cstdint>

#include "ops/instruction_set.h"

namespace qwen3_tts {

/// How weights and signals of qwen3_tts::convolution lie in memory (qwen3_tts/packed_convolution.py writes the
/// weights). Codes of signals are stored plus kCodeOffset, unsigned: AVX-512 multiplies unsigned bytes with signed
/// ones.
inline constexpr int64_t kPanelOutputs = 32;   // outputs whose weights stand together
inline constexpr int64_t kDepthMultiple = 16;  // inputs are padded to a multiple of this
inline constexpr int64_t kDigitBase = 255;     // of columns' codes with two digits, each of which is in [-127, 127]
inline constexpr int64_t kWeightBase = 16;     // of weights with two digits: in [-127, 127] and [-8, 7]
inline constexpr int kCodeOffset = 128;
inline constexpr int64_t kMaxWideDepth = 4096;  // of weights with two digits

/// One column of a signal as it is to be quantized.
struct ConvolutionColumn {
  const float* values;    // [width]
  const float* alpha;     // [width] of Snake, or null: the values as they are
  const float* inv_beta;  // [width]
  int64_t width;
  int64_t depth;   // width, padded
  int64_t digits;  // 1: codes in [-127, 127]; 2: kDigitBase times as fine
};

/// Where a panel's outputs go, and what is done to them: out = sums * scales + biases + residual.
struct PanelOutputs {
  int64_t columns;
  int64_t width;          // at most kPanelOutputs
  int64_t stride;         // from one column to the next
  const float* scales;    // [width]
  const float* biases;    // [width] or null
  const float* residual;  // like out, or null
  float* out;
};

struct ConvolutionKernels {
  /// Writes codes [digits, depth], high digits first, and returns the value of code 1. `scratch` holds depth values.
  /// A column of zeros has the scale 0.
  float (*quantize)(const ConvolutionColumn& column, float* scratch, uint8_t* codes);

  /// sums [rows, kPanelOutputs] += scales[row] * (codes of the row · weights). `codes`: rows of `depth` bytes,
  /// `stride` apart. `weights`: kPanelOutputs int32, -kCodeOffset times the sum of each output's weights, then
  /// [depth / 4, kPanelOutputs, 4] int8 in [-127, 127], not aligned. What a row gets does not depend on the others.
  void (*multiply)(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
                   int64_t depth, float* sums);

  /// The same for codes and weights of two digits, without the product of both low ones, which is below the rounding of
  /// the others: `codes` are rows of high digits, then low ones. Behind the weights stand the low digits: a header
  /// again, then [depth / 8, kPanelOutputs, 4] bytes, each with a digit of an even quad of inputs and one of the next,
  /// plus 8, the even one in its low half.
  void (*multiply_wide)(const uint8_t* codes, int64_t stride, const float* scales, int64_t rows, const int8_t* weights,
                        int64_t depth, float* sums);

  /// Columns [outputs.columns, outputs.width] from the sums [outputs.columns, kPanelOutputs].
  void (*finish)(const PanelOutputs& outputs, const float* sums);
};

QWEN3_TTS_DECLARE_KERNELS(ConvolutionKernels, convolution_kernels)

}  // namespace qwen3_tts
