#include <algorithm>
#include <cmath>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/exported_ops.h"
#include "ops/exported_shape.h"

namespace qwen3_tts::exported {
namespace {

/// Whether y's sizes are the last ones of x.
bool ends_with(const Tensor& x, const Tensor& y) {
  const auto num_more = x.dim() - y.dim();
  return num_more >= 0 && std::equal(y.sizes().begin(), y.sizes().end(), x.sizes().begin() + num_more);
}

/// None, or [width] of fp32.
bool is_row(const std::optional<Tensor>& tensor, int64_t width) {
  return !tensor.has_value() || (is_float(*tensor, 1) && tensor->size(0) == width);
}

const float* row_or_null(const std::optional<Tensor>& tensor) {
  return tensor.has_value() ? tensor->const_data_ptr<float>() : nullptr;
}

}  // namespace

Tensor& to_copy_out(KernelRuntimeContext& context, const Tensor& x, bool, std::optional<int64_t>, Tensor& out) {
  ET_KERNEL_CHECK(context, is_of(x, ScalarType::Half), InvalidArgument, out);
  ET_KERNEL_CHECK(context, resize_output(out, sizes_of(x), ScalarType::Float), InvalidArgument, out);
  const auto* from = x.const_data_ptr<executorch::aten::Half>();
  std::transform(from, from + x.numel(), out.mutable_data_ptr<float>(),
                 [](executorch::aten::Half value) { return static_cast<float>(value); });
  return out;
}

Tensor& full_like_out(KernelRuntimeContext& context, const Tensor& x, int64_t value, std::optional<int64_t>,
                      Tensor& out) {
  ET_KERNEL_CHECK(context, resize_output(out, sizes_of(x), ScalarType::Long), InvalidArgument, out);
  std::fill_n(out.mutable_data_ptr<int64_t>(), out.numel(), value);
  return out;
}

Tensor& add_out(KernelRuntimeContext& context, const Tensor& x, const Tensor& y, int64_t alpha, Tensor& out) {
  ET_KERNEL_CHECK(context, is_of(x, ScalarType::Long) && is_of(y, ScalarType::Long) && ends_with(x, y), InvalidArgument,
                  out);
  ET_KERNEL_CHECK(context, resize_output(out, sizes_of(x), ScalarType::Long), InvalidArgument, out);
  const auto* xs = x.const_data_ptr<int64_t>();
  const auto* ys = y.const_data_ptr<int64_t>();
  auto* sums = out.mutable_data_ptr<int64_t>();
  for (int64_t i = 0; i < x.numel(); ++i) {  // Unsigned: sums of a damaged program may overflow.
    sums[i] = static_cast<int64_t>(static_cast<uint64_t>(xs[i]) +
                                   static_cast<uint64_t>(alpha) * static_cast<uint64_t>(ys[i % y.numel()]));
  }
  return out;
}

Tensor& sum_out(KernelRuntimeContext& context, const Tensor& x, ArrayRef<int64_t> dims, bool keeps_dim,
                std::optional<int64_t>, Tensor& out) {
  ET_KERNEL_CHECK(context, is_float(x, x.dim()) && dims.size() == 1, InvalidArgument, out);
  const auto at = dim_of(dims[0], x.dim());
  ET_KERNEL_CHECK(context, at.has_value(), InvalidArgument, out);
  std::vector<int64_t> sizes = sizes_of(x);
  sizes[static_cast<size_t>(*at)] = 1;
  if (!keeps_dim) {
    sizes.erase(sizes.begin() + *at);
  }
  ET_KERNEL_CHECK(context, resize_output(out, sizes, ScalarType::Float), InvalidArgument, out);
  const int64_t outer = count(x, 0, *at);
  const int64_t inner = count(x, *at + 1, x.dim());
  const auto* values = x.const_data_ptr<float>();
  auto* sums = out.mutable_data_ptr<float>();
  std::fill_n(sums, out.numel(), 0.0F);
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t k = 0; k < x.size(*at); ++k) {
      for (int64_t j = 0; j < inner; ++j) {
        sums[i * inner + j] += values[(i * x.size(*at) + k) * inner + j];
      }
    }
  }
  return out;
}

Tensor& layer_norm_out(KernelRuntimeContext& context, const Tensor& x, ArrayRef<int64_t> normalized_shape,
                       const std::optional<Tensor>& weight, const std::optional<Tensor>& bias, double eps,
                       const Tensor& out, const Tensor& mean, Tensor& inverse_deviation) {
  ET_KERNEL_CHECK(context, x.dim() > 0 && is_float(x, x.dim()), InvalidArgument, inverse_deviation);
  const int64_t width = x.size(x.dim() - 1);
  ET_KERNEL_CHECK(context, normalized_shape.size() == 1 && normalized_shape[0] == width && width > 0, InvalidArgument,
                  inverse_deviation);
  ET_KERNEL_CHECK(context, is_row(weight, width) && is_row(bias, width), InvalidArgument, inverse_deviation);
  Tensor normalized = out;  // the same tensor
  Tensor means = mean;
  std::vector<int64_t> sizes = sizes_of(x);
  ET_KERNEL_CHECK(context, resize_output(normalized, sizes, ScalarType::Float), InvalidArgument, inverse_deviation);
  sizes.back() = 1;
  ET_KERNEL_CHECK(
      context,
      resize_output(means, sizes, ScalarType::Float) && resize_output(inverse_deviation, sizes, ScalarType::Float),
      InvalidArgument, inverse_deviation);
  const auto* row = x.const_data_ptr<float>();
  const float* const scale = row_or_null(weight);
  const float* const shift = row_or_null(bias);
  auto* to = normalized.mutable_data_ptr<float>();
  for (int64_t i = 0; i < x.numel() / width; ++i, row += width, to += width) {
    double sum = 0;
    double squares = 0;
    for (int64_t k = 0; k < width; ++k) {
      sum += row[k];
    }
    const double center = sum / static_cast<double>(width);
    for (int64_t k = 0; k < width; ++k) {
      squares += (row[k] - center) * (row[k] - center);
    }
    const double factor = 1.0 / std::sqrt(squares / static_cast<double>(width) + eps);
    means.mutable_data_ptr<float>()[i] = static_cast<float>(center);
    inverse_deviation.mutable_data_ptr<float>()[i] = static_cast<float>(factor);
    for (int64_t k = 0; k < width; ++k) {
      const double value = (row[k] - center) * factor;
      to[k] = static_cast<float>(value * (scale == nullptr ? 1.0F : scale[k]) + (shift == nullptr ? 0.0F : shift[k]));
    }
  }
  return inverse_deviation;
}

}  // namespace qwen3_tts::exported
