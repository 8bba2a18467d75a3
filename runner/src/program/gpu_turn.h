#pragma once

namespace qwen3_tts {

/// A stay on the GPU that all programs of this process share. Calls of methods stay there together. Who loads a method,
/// lets it go, or makes its first calls, in the fourth of which a CUDA graph is captured, is alone: a capture fails
/// when another thread allocates memory of the device or waits for it (CUDA Programming Guide, "Prohibited and
/// Unhandled Operations"). Whoever comes waits for those who came before. A thread that is there must not come again.
class GpuTurn {
 public:
  enum class Kind {
    kNone,     ///< Of a program for CPUs: waits for nobody.
    kTogether,
    kAlone,
  };

  explicit GpuTurn(Kind kind);
  ~GpuTurn();
  GpuTurn(const GpuTurn&) = delete;
  GpuTurn& operator=(const GpuTurn&) = delete;

 private:
  Kind kind_;
};

}  // namespace qwen3_tts
