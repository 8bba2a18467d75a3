#pragma once

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// The right to run int4 layers on a GPU. One engine of a process has it at a time, for as many sessions as it has: the
/// int4 kernels of ExecuTorch's CUDA backend share a buffer.
class Int4Lease {
 public:
  /// For who runs them on behalf of `engine`, whatever that points to. kInvalidState while another engine has it.
  static Result<Int4Lease> take(const void* engine);
  Int4Lease(Int4Lease&& other) noexcept;
  Int4Lease& operator=(Int4Lease&&) = delete;
  Int4Lease(const Int4Lease&) = delete;
  Int4Lease& operator=(const Int4Lease&) = delete;
  ~Int4Lease();

 private:
  Int4Lease() = default;
  bool is_held_ = true;
};

}  // namespace qwen3_tts
