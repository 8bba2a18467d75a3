#include "recording/recording_part.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "base/error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr double kMaxSeconds = 1e6;  // Eleven days: products with a sample rate stay far from what 64 bits hold.
constexpr double kMaxSilence = 60;   // As much as a whole recording may last.

Error out_of_range(const char* name, double value, const char* expected) {
  char text[64];
  std::snprintf(text, sizeof(text), "%g", value);
  return invalid_argument(std::string("the ") + name + " is " + text + " s; it must be " + expected);
}

int64_t moments(double seconds, int64_t sample_rate) {
  return std::llround(seconds * static_cast<double>(sample_rate));
}

/// NaN is in no range.
bool is_in(double value, double least, double most) { return value >= least && value <= most; }

}  // namespace

Status check_options(const RecordingOptions& options) {
  if (!is_in(options.start_s, 0, kMaxSeconds)) {
    return out_of_range("start of the part", options.start_s, "0 or more");
  }
  if (options.duration_s && (*options.duration_s == 0 || !is_in(*options.duration_s, 0, kMaxSeconds))) {
    return out_of_range("duration of the part", *options.duration_s, "more than 0");
  }
  if (!is_in(options.append_silence_s, 0, kMaxSilence)) {
    return out_of_range("silence to append", options.append_silence_s, "0 to 60");
  }
  return {};
}

RecordingPart::RecordingPart(const RecordingOptions& options, int64_t sample_rate, int64_t num_channels)
    : num_channels_(num_channels),
      begin_(moments(options.start_s, sample_rate)),
      end_(std::numeric_limits<int64_t>::max()),
      has_end_(options.duration_s.has_value()) {
  if (has_end_) {
    end_ = begin_ + std::max<int64_t>(1, moments(*options.duration_s, sample_rate));
  }
}

int64_t RecordingPart::cut(std::vector<float>& block) {
  const int64_t size = static_cast<int64_t>(block.size()) / num_channels_;
  const int64_t first = std::clamp<int64_t>(begin_ - position_, 0, size);
  const int64_t last = std::clamp<int64_t>(end_ - position_, first, size);
  block.erase(block.begin() + last * num_channels_, block.end());
  block.erase(block.begin(), block.begin() + first * num_channels_);
  num_taken_ += last - first;
  position_ += size;
  return position_ - size + first;
}

}  // namespace qwen3_tts
