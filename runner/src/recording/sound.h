#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Samples that are read once, from the begin to the end.
class Sound {
 public:
  virtual ~Sound() = default;

  virtual int64_t sample_rate() const = 0;   ///< Hz.
  virtual int64_t num_channels() const = 0;  ///< 1 or more.

  /// Replaces `samples` with the next ones, [n * num_channels], the channels of one moment side by side, full scale
  /// at -1 and 1; none at the end. They may be anything that floats can be.
  virtual Status read(std::vector<float>& samples) = 0;

  /// After the last read(): false where a format that marks its end has no such mark.
  virtual bool has_end() const { return true; }
};

}  // namespace qwen3_tts
