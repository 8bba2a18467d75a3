#include "ops/quantized_layer.h"

#include <algorithm>

#include "ops/columns.h"

namespace qwen3_tts {

void quantize_columns(const QuantizedLayer& layer, const float* x, int64_t count, float* scratch,
                      const ColumnCodes& codes) {
  const ColumnKernels& kernels = column_kernels();
  for (int64_t t = 0; t < count; ++t) {
    const ConvolutionColumn column = {x + t * layer.width, layer.alpha,   layer.inv_beta,
                                      layer.width,         layer.depth(), layer.digits};
    codes.scales[t] = kernels.quantize(column, scratch, codes.codes + t * layer.column_bytes());
  }
}

void convolve_panel(const QuantizedLayer& layer, int64_t panel, const ColumnCodes& codes, int64_t count,
                    const float* residual, float* out) {
  const QuantizedConvolutionKernels& kernels = quantized_convolution_kernels();
  alignas(64) float sums[kCachedColumns * kPanelOutputs];
  std::fill_n(sums, count * kPanelOutputs, 0.0F);
  const int64_t begin = panel * kPanelOutputs;
  for (int64_t t = 0; t < count; ++t) {  // While sums are formed, the places of the outputs come into the cache.
    __builtin_prefetch(out + t * layer.outputs + begin, 1);
    __builtin_prefetch(out + t * layer.outputs + begin + kPanelOutputs / 2, 1);
  }
  const int64_t stride = layer.column_bytes();
  const int8_t* weights = layer.weights + panel * layer.panel_bytes();
  for (int64_t tap = 0; tap < layer.taps; ++tap) {
    const uint8_t* columns = codes.codes + tap * layer.dilation * stride;
    const float* scales = codes.scales + tap * layer.dilation;
    if (layer.digits == 1) {
      kernels.multiply(columns, stride, scales, count, weights + tap * layer.tap_bytes(), layer.depth(), sums);
    } else {
      kernels.multiply_wide(columns, stride, scales, count, weights + tap * layer.tap_bytes(), layer.depth(), sums);
    }
  }
  const PanelOutputs outputs = {count,
                                std::min(kPanelOutputs, layer.outputs - begin),
                                layer.outputs,
                                layer.scales + begin,
                                layer.bias == nullptr ? nullptr : layer.bias + begin,
                                residual == nullptr ? nullptr : residual + begin,
                                out + begin};
  column_kernels().finish(outputs, sums);
}

}  // namespace qwen3_tts
