#pragma once

#include <cstddef>
#include <vector>

#include <executorch/extension/tensor/tensor.h>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

struct TensorSpec {
  executorch::aten::ScalarType type;
  std::vector<executorch::aten::SizesType> sizes;
};

/// Bytes of a tensor. kInvalidModel where a dimension is not positive, or the address space is too small.
Result<size_t> num_bytes(const TensorSpec& spec);

/// A copy of state: bytes of mapped tensors, in an order that its owner knows.
using Snapshot = std::vector<std::byte>;

/// A tensor of zeros that takes memory only where it is written: the state a session passes to its methods.
class MappedTensor {
 public:
  static Result<MappedTensor> create(const TensorSpec& spec);
  MappedTensor(MappedTensor&& other) noexcept;
  MappedTensor& operator=(MappedTensor&& other) noexcept;
  MappedTensor(const MappedTensor&) = delete;
  MappedTensor& operator=(const MappedTensor&) = delete;
  ~MappedTensor();

  /// A view; valid as long as this object.
  const executorch::aten::Tensor& tensor() const { return *tensor_; }

  std::byte* data() const { return static_cast<std::byte*>(data_); }
  size_t size_bytes() const { return size_bytes_; }

  /// All zeros again, with the memory given back.
  Status clear();
  /// Gives back the memory of a part, whose content is then anything.
  void discard(size_t offset, size_t size_bytes) const;

 private:
  MappedTensor(void* data, size_t size_bytes, executorch::extension::TensorPtr tensor);

  void* data_;
  size_t size_bytes_;
  executorch::extension::TensorPtr tensor_;
};

}  // namespace qwen3_tts
