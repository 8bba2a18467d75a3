#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/columns.h"
#include "ops/ops.h"
#include "ops/quantized_layer.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kMaxQuantizedAlone = 1 << 15;  // Values; more of them are worth waking a second thread.
constexpr int64_t kTileColumns = 8;  // that the widest kernel multiplies at once

/// The layer that these tensors are, or one without weights when they do not fit each other.
QuantizedLayer to_quantized_layer(int64_t width, const Tensor& weights, const Tensor& scales,
                                  const std::optional<Tensor>& bias, const std::optional<Tensor>& snake,
                                  int64_t dilation) {
  QuantizedLayer layer = {};
  if (!is_of(weights, executorch::aten::ScalarType::Char) || weights.dim() != 3 || !is_float(scales, 1) || width <= 0 ||
      width > kMaxWidth || dilation <= 0 || dilation > kMaxDilation) {
    return layer;
  }
  layer.width = width;
  layer.outputs = scales.numel();
  layer.taps = weights.size(1);
  layer.dilation = dilation;
  layer.digits = weights.size(2) > layer.high_bytes() ? 2 : 1;
  const bool fits = layer.taps > 0 && layer.taps <= kMaxTaps && layer.outputs > 0 &&
                    weights.size(0) == layer.panels() && weights.size(2) == layer.tap_bytes() &&
                    (layer.digits == 1 || layer.depth() <= kMaxWideDepth);
  if (!fits || !is_vector(bias, layer.outputs) || !is_snake(snake, width)) {
    return layer;
  }
  layer.weights = weights.const_data_ptr<int8_t>();
  layer.scales = scales.const_data_ptr<float>();
  layer.bias = bias.has_value() ? bias->const_data_ptr<float>() : nullptr;
  layer.alpha = snake.has_value() ? snake->const_data_ptr<float>() : nullptr;
  layer.inv_beta = snake.has_value() ? layer.alpha + width : nullptr;
  return layer;
}

bool holds_past(const QuantizedLayer& layer, const Tensor& history, int64_t offset) {
  return has_room(history, offset, ceil_div(layer.past_bytes(), kValueBytes));
}

uint8_t* past_bytes_in(const Tensor& history, int64_t offset) {
  return reinterpret_cast<uint8_t*>(past_in(history, offset));
}

// ---------------------------------------------------------------------------------------------------------------------
// Columns and their past

/// All columns that a call reads: the history's, then new ones. Ends by keeping the newest in the history.
class QuantizedColumns {
 public:
  static int64_t bytes(const QuantizedLayer& layer, int64_t columns) {
    return (layer.past() + columns) * (kValueBytes + layer.column_bytes());
  }

  /// memory: bytes() of them. past: the history's past_bytes(), unless the layer has no past.
  QuantizedColumns(const QuantizedLayer& layer, int64_t columns, uint8_t* past, void* memory)
      : layer_(layer), columns_(columns), past_(layer.past() > 0 ? past : nullptr) {
    codes_.scales = static_cast<float*>(memory);
    codes_.codes = reinterpret_cast<uint8_t*>(codes_.scales + layer.past() + columns);
    if (past_ != nullptr) {
      std::memcpy(codes_.codes, past_, past_code_bytes());
      std::memcpy(codes_.scales, past_ + past_code_bytes(), past_scale_bytes());
    }
  }
  QuantizedColumns(const QuantizedColumns&) = delete;
  QuantizedColumns& operator=(const QuantizedColumns&) = delete;

  ~QuantizedColumns() {
    if (past_ != nullptr) {
      std::memcpy(past_, codes_.codes + columns_ * layer_.column_bytes(), past_code_bytes());
      std::memcpy(past_ + past_code_bytes(), codes_.scales + columns_, past_scale_bytes());
    }
  }

  /// Those that the outputs from new column `first` on read.
  ColumnCodes from(int64_t first) const {
    return {codes_.codes + first * layer_.column_bytes(), codes_.scales + first};
  }
  /// New column `first` and those behind it.
  ColumnCodes at(int64_t first) const { return from(layer_.past() + first); }

 private:
  size_t past_code_bytes() const { return static_cast<size_t>(layer_.past() * layer_.column_bytes()); }
  size_t past_scale_bytes() const { return static_cast<size_t>(layer_.past() * kValueBytes); }

  const QuantizedLayer& layer_;
  int64_t columns_;
  ColumnCodes codes_ = {};
  uint8_t* past_;
};

/// Cuts columns into blocks of whole tiles, each of which one worker quantizes and, when those before are quantized
/// too, convolves. Their inputs are then still in its cache.
struct OrderedBlocks {
  int64_t columns;
  int64_t workers;
  int64_t size;

  OrderedBlocks(int64_t num_columns, int64_t work)
      : columns(num_columns),
        workers(num_workers(work)),
        size(ceil_div(block_size(columns, workers), kTileColumns) * kTileColumns) {}

  int64_t count() const { return ceil_div(columns, size); }

  /// quantize(first, count, worker), then convolve(first, count, worker) of every block.
  template <typename Quantize, typename Convolve>
  void run(const Quantize& quantize, const Convolve& convolve) const {
    std::atomic<int64_t> num_quantized{0};
    for_each_task(this->count(), workers, [&](int64_t block, int64_t worker) {
      const int64_t first = block * size;
      const int64_t num = std::min(size, columns - first);
      quantize(first, num, worker);
      // Somebody works at every block before this one: blocks are taken in order.
      while (num_quantized.load(std::memory_order_acquire) != block) {
        std::this_thread::yield();
      }
      num_quantized.store(block + 1, std::memory_order_release);
      convolve(first, num, worker);
    });
  }
};

void convolve_block(const QuantizedLayer& layer, const ColumnCodes& codes, int64_t count, const float* residual,
                    float* out) {
  for (int64_t panel = 0; panel < layer.panels(); ++panel) {
    convolve_panel(layer, panel, codes, count, residual, out);
  }
}

/// For weights that are larger than the columns: each panel is read by one worker only.
void run_panels(const QuantizedLayer& layer, const OrderedBlocks& blocks, const QuantizedColumns& columns, float* out) {
  for_each_task(layer.panels(), blocks.workers, [&](int64_t panel, int64_t) {
    for (int64_t first = 0; first < blocks.columns; first += kCachedColumns) {
      convolve_panel(layer, panel, columns.from(first), std::min(kCachedColumns, blocks.columns - first), nullptr,
                     out + first * layer.outputs);
    }
  });
}

}  // namespace

Tensor& quantized_convolution_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights,
                                  const Tensor& scales, const std::optional<Tensor>& bias,
                                  const std::optional<Tensor>& snake, const std::optional<Tensor>& history,
                                  int64_t offset, int64_t dilation, int64_t rate, Tensor& out) {
  ET_KERNEL_CHECK(context, has_columns(x), InvalidArgument, out);
  const QuantizedLayer layer = to_quantized_layer(x.size(1), weights, scales, bias, snake, dilation);
  ET_KERNEL_CHECK(context, layer.weights != nullptr, InvalidArgument, out);
  ET_KERNEL_CHECK(context, history.has_value() ? holds_past(layer, *history, offset) : layer.past() == 0,
                  InvalidArgument, out);
  const int64_t num = x.size(0);
  ET_KERNEL_CHECK(context,
                  rate > 0 && layer.outputs % rate == 0 && resize_columns(out, num * rate, layer.outputs / rate),
                  InvalidArgument, out);

  const OrderedBlocks blocks(num, num * layer.column_work());
  const int64_t scratch_bytes = blocks.workers * layer.depth() * kValueBytes;
  const auto temp = context.allocate_temp(static_cast<size_t>(scratch_bytes + QuantizedColumns::bytes(layer, num)));
  ET_KERNEL_CHECK(context, temp.ok(), MemoryAllocationFailed, out);
  auto* const scratch = static_cast<float*>(temp.get());
  uint8_t* const past = history.has_value() ? past_bytes_in(*history, offset) : nullptr;
  const QuantizedColumns columns(layer, num, past, static_cast<uint8_t*>(temp.get()) + scratch_bytes);

  const auto* input = x.const_data_ptr<float>();
  auto* result = out.mutable_data_ptr<float>();
  const auto quantize = [&](int64_t first, int64_t count, int64_t worker) {
    quantize_columns(layer, input + first * layer.width, count, scratch + worker * layer.depth(), columns.at(first));
  };
  if (layer.panels() * layer.panel_bytes() > num * layer.column_bytes()) {
    if (num * layer.depth() <= kMaxQuantizedAlone) {
      quantize(0, num, 0);
    } else {
      blocks.run(quantize, [](int64_t, int64_t, int64_t) {});
    }
    run_panels(layer, blocks, columns, result);
    return out;
  }
  blocks.run(quantize, [&](int64_t first, int64_t count, int64_t) {
    convolve_block(layer, columns.from(first), count, nullptr, result + first * layer.outputs);
  });
  return out;
}

Tensor& quantized_residual_unit_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& weights1,
                                    const Tensor& scales1, const std::optional<Tensor>& bias1,
                                    const std::optional<Tensor>& snake1, const Tensor& weights2, const Tensor& scales2,
                                    const std::optional<Tensor>& bias2, const std::optional<Tensor>& snake2,
                                    const Tensor& history, int64_t offset, int64_t dilation, Tensor& out) {
  ET_KERNEL_CHECK(context, has_columns(x), InvalidArgument, out);
  const QuantizedLayer layer1 = to_quantized_layer(x.size(1), weights1, scales1, bias1, snake1, dilation);
  ET_KERNEL_CHECK(context, layer1.weights != nullptr && holds_past(layer1, history, offset), InvalidArgument, out);
  const QuantizedLayer layer2 = to_quantized_layer(layer1.outputs, weights2, scales2, bias2, snake2, 1);
  ET_KERNEL_CHECK(context, layer2.weights != nullptr && layer2.taps == 1 && layer2.outputs == layer1.width,
                  InvalidArgument, out);
  const int64_t num = x.size(0);
  ET_KERNEL_CHECK(context, resize_columns(out, num, layer2.outputs), InvalidArgument, out);

  const OrderedBlocks blocks(num, num * (layer1.column_work() + layer2.column_work()));
  // Of each worker: a column that is being quantized, the values between the layers, and their codes.
  const int64_t depth = std::max(layer1.depth(), layer2.depth());
  const int64_t worker_bytes =
      (depth + blocks.size * layer1.outputs) * kValueBytes + QuantizedColumns::bytes(layer2, blocks.size);
  const int64_t scratch_bytes = ceil_div(worker_bytes, kValueBytes) * kValueBytes * blocks.workers;
  const auto temp = context.allocate_temp(static_cast<size_t>(scratch_bytes + QuantizedColumns::bytes(layer1, num)));
  ET_KERNEL_CHECK(context, temp.ok(), MemoryAllocationFailed, out);
  auto* const memory = static_cast<uint8_t*>(temp.get());
  const QuantizedColumns columns(layer1, num, past_bytes_in(history, offset), memory + scratch_bytes);
  const auto scratch = [&](int64_t worker) {
    return reinterpret_cast<float*>(memory + worker * (scratch_bytes / blocks.workers));
  };

  const auto* input = x.const_data_ptr<float>();
  auto* result = out.mutable_data_ptr<float>();
  const auto quantize = [&](int64_t first, int64_t count, int64_t worker) {
    quantize_columns(layer1, input + first * layer1.width, count, scratch(worker), columns.at(first));
  };
  blocks.run(quantize, [&](int64_t first, int64_t count, int64_t worker) {
    float* const between = scratch(worker) + depth;
    convolve_block(layer1, columns.from(first), count, nullptr, between);
    const QuantizedColumns inner(layer2, count, nullptr, between + count * layer1.outputs);
    quantize_columns(layer2, between, count, scratch(worker), inner.at(0));
    convolve_block(layer2, inner.from(0), count, input + first * layer1.width, result + first * layer2.outputs);
  });
  return out;
}

}  // namespace qwen3_tts
