#include <algorithm>
#include <array>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/checks.h"
#include "ops/ops.h"

// Signals of the codec decoder are [1, C, 1, T]. Channels last, [T, C] in memory, is what XNNPACK's convolutions read
// without a transpose; the portable kernels want them contiguous. Both are copied here through their strides.

namespace qwen3_tts {
namespace {

template <typename T>
struct Signal {
  T* data;
  int64_t channels;
  int64_t length;
  int64_t channel_stride;
  int64_t column_stride;

  bool is_channels_last() const { return channel_stride == 1 && column_stride == channels; }
  Signal columns(int64_t first, int64_t count) const {
    return {data + first * column_stride, channels, count, channel_stride, column_stride};
  }
};

bool is_signal(const Tensor& tensor) { return is_float(tensor, 4) && tensor.size(0) == 1 && tensor.size(2) == 1; }

Signal<const float> view(const Tensor& tensor) {
  return {tensor.const_data_ptr<float>(), tensor.size(1), tensor.size(3), tensor.strides()[1], tensor.strides()[3]};
}

Signal<float> mutable_view(Tensor& tensor) {
  return {tensor.mutable_data_ptr<float>(), tensor.size(1), tensor.size(3), tensor.strides()[1], tensor.strides()[3]};
}

void copy(const Signal<const float>& from, const Signal<float>& to) {
  if (from.is_channels_last() && to.is_channels_last()) {
    std::copy_n(from.data, from.channels * from.length, to.data);
    return;
  }
  for (int64_t t = 0; t < from.length; ++t) {
    for (int64_t c = 0; c < from.channels; ++c) {
      to.data[c * to.channel_stride + t * to.column_stride] =
          from.data[c * from.channel_stride + t * from.column_stride];
    }
  }
}

}  // namespace

Tensor& causal_history_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& history, int64_t offset,
                           int64_t length, bool, Tensor& out) {
  ET_KERNEL_CHECK(context, is_signal(x) && is_float(history, 1), InvalidArgument, out);
  const int64_t channels = x.size(1);
  const int64_t columns = x.size(3);
  ET_KERNEL_CHECK(context, offset >= 0 && length > 0 && offset + length * channels <= history.numel(), InvalidArgument,
                  out);
  const std::array<int64_t, 4> sizes = {1, channels, 1, length + columns};
  ET_KERNEL_CHECK(context, is_float(out, 4) && resize_output(out, sizes), InvalidArgument, out);

  // The history belongs to the session, which passes it in to be written (qwen3_tts/ops.py).
  float* past_data = const_cast<float*>(history.const_data_ptr<float>()) + offset;
  const Signal<const float> past = {past_data, channels, length, 1, channels};
  const Signal<float> new_past = {past_data, channels, length, 1, channels};
  const Signal<float> joined = mutable_view(out);
  copy(past, joined.columns(0, length));
  copy(view(x), joined.columns(length, columns));
  copy(view(out).columns(columns, length), new_past);
  return out;
}

Tensor& steps_from_phases_out(KernelRuntimeContext& context, const Tensor& x, int64_t rate, bool, Tensor& out) {
  ET_KERNEL_CHECK(context, is_signal(x) && rate > 0 && x.size(1) % rate == 0, InvalidArgument, out);
  const std::array<int64_t, 4> sizes = {1, x.size(1) / rate, 1, x.size(3) * rate};
  ET_KERNEL_CHECK(context, is_float(out, 4) && resize_output(out, sizes), InvalidArgument, out);
  const Signal<const float> phases = view(x);
  const Signal<float> steps = mutable_view(out);
  if (phases.is_channels_last() && steps.is_channels_last()) {
    std::copy_n(phases.data, phases.channels * phases.length, steps.data);
    return out;
  }
  for (int64_t phase = 0; phase < rate; ++phase) {
    const Signal<const float> from = {phases.data + phase * steps.channels * phases.channel_stride, steps.channels,
                                      phases.length, phases.channel_stride, phases.column_stride};
    const Signal<float> to = {steps.data + phase * steps.column_stride, steps.channels, phases.length,
                              steps.channel_stride, rate * steps.column_stride};
    copy(from, to);
  }
  return out;
}

}  // namespace qwen3_tts
