#include <algorithm>
#include <array>
#include <optional>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/columns.h"
#include "ops/convolution_layer.h"
#include "ops/minimal_filtering.h"
#include "ops/ops.h"

namespace qwen3_tts {
namespace {

/// The layer that these tensors are, or one without weights when they do not fit each other.
ConvolutionLayer to_convolution_layer(int64_t width, const Tensor& weights, const std::optional<Tensor>& bias,
                                      int64_t outputs, int64_t dilation) {
  ConvolutionLayer layer = {};
  if (!is_float(weights, 4) || outputs <= 0 || outputs > kMaxWidth * kMaxWidth || dilation <= 0 ||
      dilation > kMaxDilation || width > kMaxWidth) {
    return layer;
  }
  layer.width = width;
  layer.outputs = outputs;
  layer.taps = weights.size(1);
  layer.dilation = dilation;
  const bool fits = layer.taps > 0 && layer.taps <= kMaxTaps && weights.size(0) == layer.panels() &&
                    weights.size(2) == width && weights.size(3) == kPanelOutputs && is_vector(bias, outputs);
  if (fits) {
    layer.weights = weights.const_data_ptr<float>();
    layer.bias = bias.has_value() ? bias->const_data_ptr<float>() : nullptr;
  }
  return layer;
}

/// New columns, which go through Snake if there is one.
struct NewColumns {
  const float* values;  // [count, width]
  int64_t count;
  int64_t width;
  const float* alpha;  // [width], and inv_beta behind it, or null

  /// `num` of them from `first` on.
  void write(int64_t first, int64_t num, float* out) const {
    const float* from = values + first * width;
    if (alpha == nullptr) {
      std::copy_n(from, num * width, out);
      return;
    }
    for (int64_t t = 0; t < num; ++t, from += width, out += width) {
      convolution_kernels().snake(from, alpha, alpha + width, width, out);
    }
  }
};

/// Blocks of columns for every worker, which do not wait for each other.
struct FreeBlocks {
  int64_t columns;
  int64_t workers;
  int64_t size;

  FreeBlocks(int64_t num_columns, int64_t work)
      : columns(num_columns), workers(num_workers(work)), size(block_size(columns, workers)) {}

  /// visit(first, count, worker) of every block.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for_each_task(ceil_div(columns, size), workers, [&](int64_t block, int64_t worker) {
      const int64_t first = block * size;
      visit(first, std::min(size, columns - first), worker);
    });
  }
};

/// Outputs of one panel for the columns [place, place + count), at most kCachedColumns. `columns`: past() of them, then
/// these.
void convolve_panel(const ConvolutionLayer& layer, int64_t panel, const float* columns, int64_t place, int64_t count,
                    const ConvolutionOutputs& outputs) {
  const ConvolutionKernels& kernels = convolution_kernels();
  alignas(64) std::array<float, kCachedColumns * kPanelOutputs> sums;
  std::fill_n(sums.data(), count * kPanelOutputs, 0.0F);
  for (int64_t tap = 0; tap < layer.taps; ++tap) {
    kernels.multiply(columns + tap * layer.dilation * layer.width, layer.width, count,
                     layer.panel(panel) + tap * layer.tap_size(), layer.width, sums.data());
  }
  column_kernels().finish(outputs.panel(layer, panel, place, count, 1), sums.data());
}

/// For weights that are larger than the columns: each panel is read by one worker only.
void convolve_panels(const ConvolutionLayer& layer, const float* columns, const FreeBlocks& blocks,
                     const ConvolutionOutputs& outputs) {
  for_each_task(layer.panels(), blocks.workers, [&](int64_t panel, int64_t) {
    for (int64_t first = 0; first < blocks.columns; first += blocks.size) {
      convolve_panel(layer, panel, columns + first * layer.width, first, std::min(blocks.size, blocks.columns - first),
                     outputs);
    }
  });
}

void convolve_blocks(const ConvolutionLayer& layer, const float* columns, const FreeBlocks& blocks,
                     const ConvolutionOutputs& outputs) {
  blocks.for_each([&](int64_t first, int64_t count, int64_t) {
    for (int64_t panel = 0; panel < layer.panels(); ++panel) {
      convolve_panel(layer, panel, columns + first * layer.width, first, count, outputs);
    }
  });
}

/// A layer of one output and no dilation: its window is one piece of memory. `weights`: room for past() + 1 columns.
void convolve_single_output(const ConvolutionLayer& layer, const float* columns, const FreeBlocks& blocks,
                            float* weights, const ConvolutionOutputs& outputs) {
  const int64_t size = layer.taps * layer.width;
  for (int64_t i = 0; i < size; ++i) {
    weights[i] = layer.weights[i * kPanelOutputs];
  }
  blocks.for_each([&](int64_t first, int64_t count, int64_t) {
    for (int64_t t = first; t < first + count; ++t) {
      const float sum = convolution_kernels().dot(columns + t * layer.width, weights, size);
      outputs.out[t] = sum + (layer.bias == nullptr ? 0.0F : *layer.bias) +
                       (outputs.residual == nullptr ? 0.0F : outputs.residual[t]);
    }
  });
}

/// A layer without a past: every block of columns goes through Snake and is convolved while it is in the cache.
/// `scratch`: a block of columns for each worker.
void convolve_new_blocks(const ConvolutionLayer& layer, const NewColumns& columns, const FreeBlocks& blocks,
                         float* scratch, const ConvolutionOutputs& outputs) {
  blocks.for_each([&](int64_t first, int64_t count, int64_t worker) {
    float* const block = scratch + worker * blocks.size * layer.width;
    columns.write(first, count, block);
    for (int64_t panel = 0; panel < layer.panels(); ++panel) {
      convolve_panel(layer, panel, block, first, count, outputs);
    }
  });
}

bool is_like(const std::optional<Tensor>& residual, const Tensor& out) {
  return !residual.has_value() ||
         (has_columns(*residual) && residual->size(0) == out.size(0) && residual->size(1) == out.size(1));
}

}  // namespace

Tensor& causal_convolution_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights,
                               const std::optional<Tensor>& bias, const std::optional<Tensor>& snake,
                               const std::optional<Tensor>& residual, const std::optional<Tensor>& history,
                               int64_t offset, int64_t outputs, int64_t dilation, int64_t rate, int64_t frame_size,
                               Tensor& out) {
  ET_KERNEL_CHECK(context, has_columns(x), InvalidArgument, out);
  const int64_t num = x.size(0);
  const int64_t width = x.size(1);
  const ConvolutionLayer layer = to_convolution_layer(width, weights, bias, outputs, dilation);
  const int64_t past_size = layer.past() * width;
  const bool fits = layer.weights != nullptr && is_snake(snake, width) &&
                    (history.has_value() ? has_room(*history, offset, past_size) : past_size == 0) &&
                    (frame_size == 0 || (frame_size > 0 && layer.taps == kFilterTaps && num % frame_size == 0));
  ET_KERNEL_CHECK(context, fits, InvalidArgument, out);
  ET_KERNEL_CHECK(context, rate > 0 && outputs % rate == 0 && resize_columns(out, num * rate, outputs / rate),
                  InvalidArgument, out);
  ET_KERNEL_CHECK(context, is_like(residual, out), InvalidArgument, out);

  const NewColumns columns = {x.const_data_ptr<float>(), num, width,
                              snake.has_value() ? snake->const_data_ptr<float>() : nullptr};
  const ConvolutionOutputs places = {residual.has_value() ? residual->const_data_ptr<float>() : nullptr,
                                     out.mutable_data_ptr<float>()};
  const FreeBlocks blocks(num, num * layer.column_work());
  const bool has_more_weights = layer.column_work() > num * width;
  if (past_size == 0 && columns.alpha == nullptr) {
    (has_more_weights ? convolve_panels : convolve_blocks)(layer, columns.values, blocks, places);
    return out;
  }
  const bool is_local = past_size == 0 && !has_more_weights;
  const bool is_single = outputs == 1 && dilation == 1 && past_size > 0;
  std::optional<MinimalFiltering> filtering;
  int64_t size = is_local ? blocks.workers * blocks.size * width : past_size + num * width;
  if (frame_size > 0) {
    filtering.emplace(layer, num / frame_size, frame_size);
    size += filtering->shared_size() + blocks.workers * filtering->worker_size();
  } else if (is_single) {
    size += layer.taps * width;
  }
  const auto temp = context.allocate_temp(static_cast<size_t>(size * kValueBytes));
  ET_KERNEL_CHECK(context, temp.ok(), MemoryAllocationFailed, out);
  auto* const memory = static_cast<float*>(temp.get());
  if (is_local) {
    convolve_new_blocks(layer, columns, blocks, memory, places);
    return out;
  }

  float* const past = past_size > 0 ? past_in(*history, offset) : nullptr;
  std::copy_n(past, past_size, memory);
  blocks.for_each(
      [&](int64_t first, int64_t count, int64_t) { columns.write(first, count, memory + past_size + first * width); });
  std::copy_n(memory + num * width, past_size, past);
  float* const rest = memory + past_size + num * width;
  if (filtering.has_value()) {
    filtering->evaluate(memory, blocks.workers, rest);
    filtering->multiply(blocks.workers, rest, rest + filtering->shared_size(), places);
  } else if (is_single) {
    convolve_single_output(layer, memory, blocks, rest, places);
  } else {
    (has_more_weights ? convolve_panels : convolve_blocks)(layer, memory, blocks, places);
  }
  return out;
}

Tensor& depthwise_convolution_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights,
                                  const Tensor& bias, const Tensor& history, int64_t offset, Tensor& out) {
  ET_KERNEL_CHECK(context, has_columns(x), InvalidArgument, out);
  const int64_t num = x.size(0);
  const int64_t width = x.size(1);
  ET_KERNEL_CHECK(context, has_columns(weights) && weights.size(1) == width && is_vector(bias, width), InvalidArgument,
                  out);
  const int64_t past_size = (weights.size(0) - 1) * width;
  ET_KERNEL_CHECK(context, has_room(history, offset, past_size) && resize_columns(out, num, width), InvalidArgument,
                  out);
  const auto temp = context.allocate_temp(static_cast<size_t>(past_size + num * width) * kValueBytes);
  ET_KERNEL_CHECK(context, temp.ok(), MemoryAllocationFailed, out);
  auto* const columns = static_cast<float*>(temp.get());
  float* const past = past_in(history, offset);
  std::copy_n(past, past_size, columns);
  std::copy_n(x.const_data_ptr<float>(), num * width, columns + past_size);
  std::copy_n(columns + num * width, past_size, past);
  for (int64_t t = 0; t < num; ++t) {
    float* const sums = out.mutable_data_ptr<float>() + t * width;
    std::copy_n(bias.const_data_ptr<float>(), width, sums);
    for (int64_t tap = 0; tap < weights.size(0); ++tap) {
      convolution_kernels().multiply_add(columns + (t + tap) * width, weights.const_data_ptr<float>() + tap * width,
                                         width, sums);
    }
  }
  return out;
}

}  // namespace qwen3_tts
