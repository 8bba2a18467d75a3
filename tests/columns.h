#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

#include <executorch/extension/tensor/tensor.h>
#include <gtest/gtest.h>

/// Columns [T, width] for the tests of the convolutions.
namespace qwen3_tts::testing {

using executorch::extension::make_tensor_ptr;
using executorch::extension::TensorPtr;

/// Numbers in [-1, 1] that differ from each other.
inline TensorPtr floats(const std::vector<int32_t>& sizes, float phase) {
  int64_t count = 1;
  for (const int32_t size : sizes) {
    count *= size;
  }
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = std::sin(1.3F * static_cast<float>(i) + phase);
  }
  return make_tensor_ptr(sizes, std::move(values));
}

inline std::vector<float> values_of(const TensorPtr& tensor) {
  return {tensor->const_data_ptr<float>(), tensor->const_data_ptr<float>() + tensor->numel()};
}

/// The columns [first, first + count) of x.
inline TensorPtr columns_of(const TensorPtr& x, int64_t first, int64_t count) {
  const auto width = static_cast<int32_t>(x->size(1));
  return make_tensor_ptr({static_cast<int32_t>(count), width}, x->mutable_data_ptr<float>() + first * width);
}

/// What `run(columns)` gives for pieces of x of these sizes, over and over.
template <typename Run>
std::vector<float> in_pieces(const TensorPtr& x, const std::vector<int64_t>& sizes, const Run& run) {
  std::vector<float> joined;
  size_t next = 0;
  for (int64_t first = 0; first < x->size(0);) {
    const int64_t count = std::min<int64_t>(sizes[next++ % sizes.size()], x->size(0) - first);
    const std::optional<std::vector<float>> piece = run(columns_of(x, first, count));
    if (!piece.has_value()) {
      ADD_FAILURE() << "columns from " << first << " on were refused";
      return joined;
    }
    joined.insert(joined.end(), piece->begin(), piece->end());
    first += count;
  }
  return joined;
}

}  // namespace qwen3_tts::testing
