#pragma once

#include <chrono>

namespace qwen3_tts {

using Clock = std::chrono::steady_clock;

inline double elapsed_ms(Clock::time_point since) {
  return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
}

/// Adds the time from here to the end of the scope to a field of SynthesisStats.
class ScopedTimer {
 public:
  explicit ScopedTimer(double& total_ms) : total_ms_(total_ms) {}
  ~ScopedTimer() { total_ms_ += elapsed_ms(start_); }
  ScopedTimer(const ScopedTimer&) = delete;
  ScopedTimer& operator=(const ScopedTimer&) = delete;

 private:
  double& total_ms_;
  const Clock::time_point start_ = Clock::now();
};

}  // namespace qwen3_tts
