#include <algorithm>
#include <array>
#include <cstring>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/checks.h"
#include "ops/ops.h"

namespace qwen3_tts {
namespace {

/// Writes x [1, C, 1, T] as rows [T, C].
void copy_columns_as_rows(const Tensor& x, float* rows) {
  const int64_t channels = x.size(1);
  const int64_t length = x.size(3);
  const auto* source = x.const_data_ptr<float>();
  const int64_t channel_stride = x.strides()[1];
  const int64_t column_stride = x.strides()[3];
  if (channel_stride == 1 && column_stride == channels) {
    std::memcpy(rows, source, static_cast<size_t>(length * channels) * sizeof(float));
    return;
  }
  for (int64_t t = 0; t < length; ++t) {
    for (int64_t c = 0; c < channels; ++c) {
      rows[t * channels + c] = source[c * channel_stride + t * column_stride];
    }
  }
}

}  // namespace

Tensor& causal_history_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& history, int64_t offset,
                           int64_t length, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(x, 4) && is_float(history, 1) && x.size(0) == 1 && x.size(2) == 1, InvalidArgument,
                  out);
  const int64_t channels = x.size(1);
  const int64_t columns = x.size(3);
  ET_KERNEL_CHECK(context, offset >= 0 && length > 0 && offset + length * channels <= history.numel(), InvalidArgument,
                  out);
  const std::array<int64_t, 4> sizes = {1, channels, 1, length + columns};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);
  // The output is channels last, [length + T, C] in memory: what a convolution of XNNPACK reads without a transpose.
  ET_KERNEL_CHECK(context, is_float(out, 4) && out.strides()[3] == channels, InvalidArgument, out);

  const auto past_values = static_cast<size_t>(length * channels);
  float* past = const_cast<float*>(history.const_data_ptr<float>()) + offset;
  float* rows = out.mutable_data_ptr<float>();
  std::memcpy(rows, past, past_values * sizeof(float));
  copy_columns_as_rows(x, rows + past_values);
  std::memcpy(past, rows + columns * channels, past_values * sizeof(float));
  return out;
}

Tensor& steps_from_phases_out(KernelRuntimeContext& context, const Tensor& x, int64_t rate, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(x, 4) && x.size(0) == 1 && x.size(2) == 1, InvalidArgument, out);
  ET_KERNEL_CHECK(context, rate > 0 && x.size(1) % rate == 0, InvalidArgument, out);
  const int64_t channels = x.size(1) / rate;
  const std::array<int64_t, 4> sizes = {1, channels, 1, x.size(3) * rate};
  ET_KERNEL_CHECK(context, resize_output(out, sizes), InvalidArgument, out);
  ET_KERNEL_CHECK(context, is_float(out, 4) && out.strides()[3] == channels, InvalidArgument, out);
  copy_columns_as_rows(x, out.mutable_data_ptr<float>());
  return out;
}

}  // namespace qwen3_tts
