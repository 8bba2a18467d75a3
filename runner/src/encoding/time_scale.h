#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <qwen3_tts/result.h>

struct sonicStreamStruct;

namespace qwen3_tts {

/// Samples to fewer or more of them of the same pitch, a piece at a time.
class TimeScale {
 public:
  /// `sample_rate` in Hz; twice the speed makes half the samples. An error without libsonic.
  static Result<TimeScale> create(int64_t sample_rate, double speed);

  /// Appends to `output`, in [-1, 1], what is ready.
  Status write(const int16_t* samples, int64_t num_samples, std::vector<float>& output);
  /// Appends the rest. Once.
  Status finish(std::vector<float>& output);

 private:
  struct Delete {
    void operator()(sonicStreamStruct* stream) const;
  };

  explicit TimeScale(sonicStreamStruct* stream) : stream_(stream) {}
  void take(std::vector<float>& output);

  std::unique_ptr<sonicStreamStruct, Delete> stream_;
};

}  // namespace qwen3_tts
