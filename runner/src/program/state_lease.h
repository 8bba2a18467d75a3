#pragma once

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// The right to run the methods of a program for a GPU, which keep the state of its utterances. One engine of a process
/// has it at a time, for as many sessions as it has: the int4 kernels of ExecuTorch's CUDA backend share a buffer.
class StateLease {
 public:
  /// For who runs them on behalf of `engine`, whatever that points to. kInvalidState while another engine has it.
  static Result<StateLease> take(const void* engine);
  StateLease(StateLease&& other) noexcept;
  StateLease& operator=(StateLease&&) = delete;
  StateLease(const StateLease&) = delete;
  StateLease& operator=(const StateLease&) = delete;
  ~StateLease();

 private:
  StateLease() = default;
  bool is_held_ = true;
};

}  // namespace qwen3_tts
