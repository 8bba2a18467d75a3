#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

namespace qwen3_tts {

inline bool is_float(const executorch::aten::Tensor& tensor, int64_t dim) {
  return tensor.scalar_type() == executorch::aten::ScalarType::Float && tensor.dim() == dim;
}

/// The position input every stateful operator takes: one int64, never negative.
inline bool is_position(const executorch::aten::Tensor& tensor) {
  return tensor.scalar_type() == executorch::aten::ScalarType::Long && tensor.numel() == 1 &&
         *tensor.const_data_ptr<int64_t>() >= 0;
}

/// Gives `out` its sizes; false when they do not fit the memory planned for it.
template <size_t N>
bool resize_output(executorch::aten::Tensor& out, const std::array<int64_t, N>& sizes) {
  std::array<executorch::aten::SizesType, N> narrow{};
  for (size_t i = 0; i < N; ++i) {
    narrow[i] = static_cast<executorch::aten::SizesType>(sizes[i]);
  }
  return executorch::runtime::resize_tensor(out, {narrow.data(), N}) == executorch::runtime::Error::Ok;
}

}  // namespace qwen3_tts
