#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

class ByteSource;

/// Samples of one format, from the begin to the end. The source outlives it.
class SoundDecoder {
 public:
  virtual ~SoundDecoder() = default;

  int64_t sample_rate() const { return sample_rate_; }    ///< Hz, 1 or more.
  int64_t num_channels() const { return num_channels_; }  ///< 1 or more.

  /// Samples of each channel, where the header says exactly how many there are.
  std::optional<int64_t> stated_moments() const { return stated_moments_; }

  /// The next ones, [num_moments * num_channels], the channels of one moment side by side, full scale at -1 and 1: how
  /// many moments there were, 0 at the end. An error says what is wrong, without naming the file.
  virtual Result<int64_t> read(float* samples, int64_t num_moments) = 0;

 protected:
  int64_t sample_rate_ = 0, num_channels_ = 0;
  std::optional<int64_t> stated_moments_;
};

/// What libmpg123 reads: MPEG audio of any layer that begins at `begin`.
Result<std::unique_ptr<SoundDecoder>> open_mp3(const ByteSource& source, int64_t begin);

/// What libsndfile reads, but for MPEG audio, of which it takes an estimate for a length and writes to standard error.
Result<std::unique_ptr<SoundDecoder>> open_sndfile(ByteSource& source, int64_t begin);

}  // namespace qwen3_tts
