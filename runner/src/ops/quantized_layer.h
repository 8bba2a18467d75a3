#pragma once

#include <cstdint>

#include "ops/kernels/quantized_convolution_kernels.h"

/// Causal convolutions of columns [T, width] with quantized weights and columns.
///
/// A convolution is the sum over its taps of products of shifted columns with [width, outputs]. Each column is
/// quantized by itself, once, when it is new, and a column's sums are formed in one order: no split of an utterance
/// into calls, and no number of threads, changes a bit.
namespace qwen3_tts {

struct QuantizedLayer {
  int64_t width;    // inputs of a column
  int64_t outputs;
  int64_t digits;   // of codes, and of weights: 1 or 2
  int64_t taps;
  int64_t dilation;
  const int8_t* weights;  // [panels, taps, tap_bytes]: what multiply or multiply_wide reads
  const float* scales;    // [outputs]: the value of a weight's code 1
  const float* bias;      // [outputs] or null
  const float* alpha;     // [width] of the Snake before, or null
  const float* inv_beta;

  int64_t past() const { return (taps - 1) * dilation; }
  int64_t depth() const { return (width + kDepthMultiple - 1) / kDepthMultiple * kDepthMultiple; }
  int64_t panels() const { return (outputs + kPanelOutputs - 1) / kPanelOutputs; }
  /// A digit of a tap's weights: whole bytes of the high or only one, half bytes of the low one.
  int64_t high_bytes() const { return kSliceHeaderBytes + kPanelOutputs * depth(); }
  int64_t low_bytes() const { return kSliceHeaderBytes + kPanelOutputs * depth() / 2; }
  int64_t tap_bytes() const { return high_bytes() + (digits == 1 ? 0 : low_bytes()); }
  int64_t panel_bytes() const { return taps * tap_bytes(); }
  int64_t column_bytes() const { return digits * depth(); }
  /// Codes and scales of the earlier columns, which the history keeps.
  int64_t past_bytes() const { return past() * (column_bytes() + static_cast<int64_t>(sizeof(float))); }
  /// Multiply-adds of a column.
  int64_t column_work() const { return panels() * kPanelOutputs * depth() * taps * (digits == 1 ? 1 : 3); }
};

/// Quantized columns.
struct ColumnCodes {
  uint8_t* codes;  // [columns, digits, depth]
  float* scales;   // [columns]
};

/// Quantizes `count` columns of x [count, width]; `scratch` holds depth() values.
void quantize_columns(const QuantizedLayer& layer, const float* x, int64_t count, float* scratch,
                      const ColumnCodes& codes);

/// Outputs of one panel for `count` columns, at most kCachedColumns. codes: past() columns, then these; residual (or
/// null) and out [count, outputs].
void convolve_panel(const QuantizedLayer& layer, int64_t panel, const ColumnCodes& codes, int64_t count,
                    const float* residual, float* out);

}  // namespace qwen3_tts
