#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

namespace qwen3_tts {

/// A tensor of this type that has memory, unless it has no elements. A program may declare one and plan no memory.
inline bool is_of(const executorch::aten::Tensor& tensor, executorch::aten::ScalarType type) {
  return tensor.scalar_type() == type && (tensor.const_data_ptr() != nullptr || tensor.numel() == 0);
}

inline bool is_float(const executorch::aten::Tensor& tensor, int64_t dim) {
  return is_of(tensor, executorch::aten::ScalarType::Float) && tensor.dim() == dim;
}

/// Positions and slots are below it, so that sums of them do not overflow.
inline constexpr int64_t kMostIndices = int64_t{1} << 40;

/// `count` positions or slots: int64, none of them negative.
inline bool is_indices(const executorch::aten::Tensor& tensor, int64_t count) {
  if (!is_of(tensor, executorch::aten::ScalarType::Long) || tensor.dim() != 1 || tensor.size(0) != count) {
    return false;
  }
  const auto* values = tensor.const_data_ptr<int64_t>();
  return std::all_of(values, values + count, [](int64_t value) { return value >= 0 && value < kMostIndices; });
}

/// Gives `out` its sizes. False when it is of another type, or they do not fit the memory planned for it. Sizes may be
/// any numbers of a program: they are compared in 64 bits, before ExecuTorch gets them in its 32.
template <size_t N>
bool resize_output(executorch::aten::Tensor& out, const std::array<int64_t, N>& sizes,
                   executorch::aten::ScalarType type = executorch::aten::ScalarType::Float) {
  using Size = executorch::aten::SizesType;
  std::array<Size, N> narrow{};
  for (size_t i = 0; i < N; ++i) {
    if (sizes[i] < 0 || sizes[i] > std::numeric_limits<Size>::max()) {
      return false;
    }
    narrow[i] = static_cast<Size>(sizes[i]);
  }
  return out.dim() == static_cast<ssize_t>(N) &&
         executorch::runtime::resize_tensor(out, {narrow.data(), N}) == executorch::runtime::Error::Ok &&
         is_of(out, type);
}

}  // namespace qwen3_tts
