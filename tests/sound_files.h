#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <sndfile.h>

/// Sound files for tests.
namespace qwen3_tts::testing {

/// `seconds` of a sine of `hertz` and `amplitude`.
inline std::vector<float> sine(double hertz, double seconds, int64_t sample_rate, double amplitude = 0.5) {
  constexpr double kTurn = 6.283185307179586;
  std::vector<float> samples(static_cast<size_t>(std::llround(seconds * static_cast<double>(sample_rate))));
  for (size_t i = 0; i < samples.size(); ++i) {
    const double turns = hertz * static_cast<double>(i) / static_cast<double>(sample_rate);
    samples[i] = static_cast<float>(amplitude * std::sin(kTurn * turns));
  }
  return samples;
}

/// Writes `samples`, [n * num_channels] interleaved, in a format of libsndfile; `bitrate_mode` is for MP3.
inline void write_sound(const std::string& path, const std::vector<float>& samples, int64_t sample_rate,
                        int format = SF_FORMAT_WAV | SF_FORMAT_FLOAT, int num_channels = 1,
                        int bitrate_mode = SF_BITRATE_MODE_VARIABLE) {
  SF_INFO info{};
  info.samplerate = static_cast<int>(sample_rate);
  info.channels = num_channels;
  info.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &info);
  if (file != nullptr && (format & SF_FORMAT_TYPEMASK) == SF_FORMAT_MPEG) {
    sf_command(file, SFC_SET_BITRATE_MODE, &bitrate_mode, sizeof(bitrate_mode));
  }
  const auto count = static_cast<sf_count_t>(samples.size());
  if (file == nullptr || sf_write_float(file, samples.data(), count) != count || sf_close(file) != SF_ERR_NO_ERROR) {
    throw std::runtime_error("cannot write " + path + ": " + sf_strerror(file));
  }
}

}  // namespace qwen3_tts::testing
