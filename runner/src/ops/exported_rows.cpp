#include <algorithm>
#include <cstring>

#include <executorch/runtime/kernel/kernel_includes.h>

#include "ops/exported_ops.h"
#include "ops/exported_shape.h"

namespace qwen3_tts::exported {
namespace {

/// Whether `indices` are rows of `table`.
bool are_rows(const Tensor& indices, const Tensor& table) {
  if (!is_of(indices, ScalarType::Long) || table.dim() != 2) {
    return false;
  }
  const auto* values = indices.const_data_ptr<int64_t>();
  return std::all_of(values, values + indices.numel(),
                     [&](int64_t value) { return value >= 0 && value < table.size(0); });
}

bool resize_to_rows(Tensor& out, const Tensor& indices, int64_t width, ScalarType type) {
  std::vector<int64_t> sizes = sizes_of(indices);
  sizes.push_back(width);
  return resize_output(out, sizes, type);
}

/// Rows of codes and their scales; code(row, column) -> the number without its scale.
template <typename Code>
Tensor& scaled_rows_out(KernelRuntimeContext& context, const Tensor& table, int64_t width, const Tensor& scales,
                        const std::optional<Tensor>& zero_points, const Tensor& indices, Tensor& out,
                        const Code& code) {
  ET_KERNEL_CHECK(context, has_memory(table) && are_rows(indices, table) && !zero_points.has_value(), InvalidArgument,
                  out);
  ET_KERNEL_CHECK(context, is_float(scales, 2) && scales.size(0) == table.size(0), InvalidArgument, out);
  const int64_t num_groups = scales.size(1);
  ET_KERNEL_CHECK(context, num_groups > 0 && width % num_groups == 0, InvalidArgument, out);
  ET_KERNEL_CHECK(context, resize_to_rows(out, indices, width, ScalarType::Float), InvalidArgument, out);
  const auto* rows = indices.const_data_ptr<int64_t>();
  const auto* factors = scales.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  const int64_t group_size = width / num_groups;
  for (int64_t i = 0; i < indices.numel(); ++i) {
    for (int64_t k = 0; k < width; ++k) {
      *to++ = static_cast<float>(code(rows[i], k)) * factors[rows[i] * num_groups + k / group_size];
    }
  }
  return out;
}

}  // namespace

Tensor& embedding_out(KernelRuntimeContext& context, const Tensor& table, const Tensor& indices, int64_t, bool, bool,
                      Tensor& out) {
  ET_KERNEL_CHECK(context, has_memory(table) && are_rows(indices, table), InvalidArgument, out);
  ET_KERNEL_CHECK(context, resize_to_rows(out, indices, table.size(1), table.scalar_type()), InvalidArgument, out);
  const auto* rows = indices.const_data_ptr<int64_t>();
  const size_t row_bytes = static_cast<size_t>(table.size(1) * table.element_size());
  const auto* from = static_cast<const char*>(table.const_data_ptr());
  auto* to = static_cast<char*>(out.mutable_data_ptr());
  for (int64_t i = 0; row_bytes > 0 && i < indices.numel(); ++i) {
    std::memcpy(to + static_cast<size_t>(i) * row_bytes, from + static_cast<size_t>(rows[i]) * row_bytes, row_bytes);
  }
  return out;
}

Tensor& embedding_byte_out(KernelRuntimeContext& context, const Tensor& table, const Tensor& scales,
                           const std::optional<Tensor>& zero_points, int64_t, int64_t, const Tensor& indices,
                           Tensor& out) {
  ET_KERNEL_CHECK(context, is_of(table, ScalarType::Char) && table.dim() == 2, InvalidArgument, out);
  const auto* codes = table.const_data_ptr<int8_t>();
  const int64_t width = table.size(1);
  return scaled_rows_out(context, table, width, scales, zero_points, indices, out,
                         [&](int64_t row, int64_t column) { return codes[row * width + column]; });
}

Tensor& embedding_4bit_out(KernelRuntimeContext& context, const Tensor& table, const Tensor& scales,
                           const std::optional<Tensor>& zero_points, int64_t, int64_t, const Tensor& indices,
                           Tensor& out) {
  ET_KERNEL_CHECK(context, is_of(table, ScalarType::Byte) && table.dim() == 2, InvalidArgument, out);
  const auto* pairs = table.const_data_ptr<uint8_t>();
  const int64_t num_pairs = table.size(1);
  return scaled_rows_out(context, table, 2 * num_pairs, scales, zero_points, indices, out,
                         [&](int64_t row, int64_t column) {
                           const int pair = pairs[row * num_pairs + column / 2];
                           return (column % 2 == 0 ? pair >> 4 : pair & 15) - 8;
                         });
}

}  // namespace qwen3_tts::exported
