#pragma once

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// The right to use the caches that the methods of a program for a GPU keep. There is one set of them in a process,
/// whatever the number of engines: ExecuTorch's CUDA backend knows them by name alone.
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
