#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include <executorch/runtime/core/exec_aten/exec_aten.h>
#include <executorch/runtime/core/exec_aten/util/tensor_util.h>

#include "ops/checks.h"

/// Shapes, for exported_*.cpp.
namespace qwen3_tts::exported {

using executorch::aten::ScalarType;
using executorch::aten::SizesType;
using executorch::aten::Tensor;

inline std::vector<int64_t> sizes_of(const Tensor& tensor) { return {tensor.sizes().begin(), tensor.sizes().end()}; }

/// Elements of the dimensions [begin, end).
inline int64_t count(const Tensor& tensor, int64_t begin, int64_t end) {
  int64_t product = 1;
  for (int64_t i = begin; i < end; ++i) {
    product *= tensor.size(i);
  }
  return product;
}

/// `dim` of `num_dims`, counted from the end when it is negative; nothing when there is none.
inline std::optional<int64_t> dim_of(int64_t dim, int64_t num_dims) {
  if (dim < -num_dims || dim >= num_dims) {
    return std::nullopt;
  }
  return dim < 0 ? dim + num_dims : dim;
}

/// A tensor as [outer, size, inner] around one dimension; of `inner` the bytes.
struct Around {
  Around(const Tensor& tensor, int64_t dim)
      : outer(count(tensor, 0, dim)),
        size(tensor.size(dim)),
        inner_bytes(static_cast<size_t>(count(tensor, dim + 1, tensor.dim()) * tensor.element_size())) {}

  int64_t outer, size;
  size_t inner_bytes;
};

/// Gives `out` its sizes. False when it is of another type, or they do not fit the memory planned for it.
inline bool resize_output(Tensor& out, const std::vector<int64_t>& sizes, ScalarType type) {
  std::vector<SizesType> narrow;
  for (const int64_t size : sizes) {
    if (size < 0 || size > std::numeric_limits<SizesType>::max()) {
      return false;
    }
    narrow.push_back(static_cast<SizesType>(size));
  }
  return out.dim() == static_cast<ssize_t>(narrow.size()) &&
         executorch::runtime::resize_tensor(out, {narrow.data(), narrow.size()}) == executorch::runtime::Error::Ok &&
         is_of(out, type);
}

inline bool has_memory(const Tensor& tensor) { return is_of(tensor, tensor.scalar_type()); }

}  // namespace qwen3_tts::exported
