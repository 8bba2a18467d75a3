#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/kernels/convolution_kernels.h"

/// Causal convolutions of columns [T, width] in fp32.
///
/// A convolution is the sum over its taps of products of shifted columns with [width, outputs]. A column's sums are
/// formed in one order, whatever is computed beside it: no split of an utterance into calls, and no number of threads,
/// changes a bit.
namespace qwen3_tts {

struct ConvolutionLayer {
  int64_t width;  // inputs of a column
  int64_t outputs;
  int64_t taps;
  int64_t dilation;
  const float* weights;  // [panels, taps, width, kPanelOutputs]
  const float* bias;     // [outputs] or null

  int64_t past() const { return (taps - 1) * dilation; }
  int64_t panels() const { return (outputs + kPanelOutputs - 1) / kPanelOutputs; }
  int64_t tap_size() const { return width * kPanelOutputs; }
  const float* panel(int64_t index) const { return weights + index * taps * tap_size(); }
  /// Multiply-adds of a column.
  int64_t column_work() const { return panels() * taps * tap_size(); }
};

/// Where a layer's outputs go, and what is added to them: both [columns, layer.outputs].
struct ConvolutionOutputs {
  const float* residual;  // or null
  float* out;

  /// Those of one panel in every `step`th column from `column` on.
  PanelOutputs panel(const ConvolutionLayer& layer, int64_t index, int64_t column, int64_t count, int64_t step) const {
    const int64_t begin = index * kPanelOutputs;
    const int64_t place = column * layer.outputs + begin;
    return {count,
            std::min(kPanelOutputs, layer.outputs - begin),
            step * layer.outputs,
            nullptr,
            layer.bias == nullptr ? nullptr : layer.bias + begin,
            residual == nullptr ? nullptr : residual + place,
            out + place};
  }
};

}  // namespace qwen3_tts
