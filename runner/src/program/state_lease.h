#pragma once

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// The right to speak with a program for a GPU, whose methods keep the caches of one utterance. There is one in a
/// process, whatever the number of engines: the int4 kernels of ExecuTorch's CUDA backend share a buffer.
class StateLease {
 public:
  /// kInvalidState while somebody else has it.
  static Result<StateLease> take();
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
