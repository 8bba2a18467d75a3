#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples and headers are written as they lie in memory");

/// What stands before the samples of a 16-bit mono WAV file.
struct WavHeader {
  static constexpr int64_t kSampleSize = sizeof(int16_t);
  static constexpr int64_t kSizeOfRest = 36;  ///< Of the header behind riff_size.

  static constexpr int64_t kMaxSamples = (int64_t{std::numeric_limits<uint32_t>::max()} - kSizeOfRest) /
                                         kSampleSize;  ///< Of a file that states its length.

  char riff[4] = {'R', 'I', 'F', 'F'};
  uint32_t riff_size;
  char wave[4] = {'W', 'A', 'V', 'E'};
  char format[4] = {'f', 'm', 't', ' '};
  uint32_t format_size = 16;
  uint16_t encoding = 1;  ///< PCM.
  uint16_t num_channels = 1;
  uint32_t sample_rate;
  uint32_t bytes_per_second;
  uint16_t sample_size = kSampleSize;
  uint16_t bits_per_sample = 8 * kSampleSize;
  char data[4] = {'d', 'a', 't', 'a'};
  uint32_t data_size;

  WavHeader(int64_t rate, int64_t num_samples)
      : riff_size(static_cast<uint32_t>(kSizeOfRest + num_samples * kSampleSize)),
        sample_rate(static_cast<uint32_t>(rate)),
        bytes_per_second(static_cast<uint32_t>(rate * kSampleSize)),
        data_size(static_cast<uint32_t>(num_samples * kSampleSize)) {}

  /// What is said to more than kMaxSamples.
  static Error too_long(const std::string& path) {
    return {ErrorCode::kIo,
            "cannot write '" + path + "': a WAV file ends at 4 GiB; write raw samples instead, or several files"};
  }

  /// Of a stream: both sizes are the largest, which readers take for "to the end", as ffmpeg writes them to a pipe.
  static WavHeader of_unknown_length(int64_t rate) {
    WavHeader header(rate, 0);
    header.riff_size = header.data_size = std::numeric_limits<uint32_t>::max();
    return header;
  }
};
static_assert(sizeof(WavHeader) == 44);

}  // namespace qwen3_tts
