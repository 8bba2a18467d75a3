#pragma once

#include <cstdint>

#include "ops/instruction_set.h"

namespace qwen3_tts {

/// How weights and signals of the convolutions lie in memory (convolution.py and int8_convolution.py in
/// qwen3_tts/export/packing write the weights). Codes of signals are stored plus kCodeOffset, unsigned: AVX-512
/// multiplies unsigned bytes with signed ones.
inline constexpr int64_t kPanelOutputs = 32;   // outputs whose weights stand together
inline constexpr int64_t kDepthMultiple = 16;  // inputs are padded to a multiple of this
inline constexpr int64_t kDigitBase = 255;     // of columns' codes with two digits, each of which is in [-127, 127]
inline constexpr int kCodeOffset = 128;

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
  const float* scales;    // [width] or null: one
  const float* biases;    // [width] or null
  const float* residual;  // like out, or null
  float* out;
};

/// What happens to columns before and after the products of quantized convolutions; `finish` is everybody's.
struct ColumnKernels {
  /// Writes codes [digits, depth], high digits first, and returns the value of code 1. `scratch` holds depth values.
  /// A column of zeros has the scale 0.
  float (*quantize)(const ConvolutionColumn& column, float* scratch, uint8_t* codes);

  /// Columns [outputs.columns, outputs.width] from the sums [outputs.columns, kPanelOutputs].
  void (*finish)(const PanelOutputs& outputs, const float* sums);
};

QWEN3_TTS_DECLARE_KERNELS(ColumnKernels, column_kernels)

}  // namespace qwen3_tts
