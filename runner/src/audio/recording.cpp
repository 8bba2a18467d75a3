#include <algorithm>
#include <cmath>
#include <cstdio>

#include <qwen3_tts/recording.h>

#include "audio/audio_file.h"
#include "audio/leading_silence.h"
#include "audio/resampler.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kMinSampleRate = 8000;  // Of a telephone; below it, much of a voice is not there.
constexpr int64_t kMaxSampleRate = 768000;
constexpr int64_t kMaxSeconds = 600;  // Bounds the memory; what an encoder takes is less.
constexpr float kFullScale = 0.9995F;
constexpr double kMaxClipped = 0.01;  // Of all samples. A recording that is only loud touches full scale much less.

/// A recording while it is read: checked, mixed to one channel and resampled block by block.
class RecordingReader {
 public:
  RecordingReader(AudioFile& file, Resampler& resampler) : file_(file), resampler_(resampler) {}

  /// A message names no file.
  Result<Recording> read() {
    for (std::vector<float> block; true;) {
      if (Status status = file_.read(block); !status.ok()) {
        return status.error();
      }
      if (block.empty()) {
        break;
      }
      if (Status status = take(block); !status.ok()) {
        return status.error();
      }
    }
    if (Status status = check_levels(); !status.ok()) {
      return status.error();
    }
    if (Status status = resampler_.finish(recording_.samples); !status.ok()) {
      return status.error();
    }
    return std::move(recording_);
  }

 private:
  static Error refuse(const std::string& what) { return Error{ErrorCode::kInvalidArgument, what}; }

  Status take(const std::vector<float>& block) {
    const int64_t num_channels = file_.num_channels();
    const auto bad = std::find_if(block.begin(), block.end(), [](float sample) { return !std::isfinite(sample); });
    if (bad != block.end()) {
      return refuse("sample " + std::to_string(num_moments_ + (bad - block.begin()) / num_channels) +
                    " is not a finite number; make the file again");
    }
    num_clipped_ += std::count_if(block.begin(), block.end(), [](float s) { return std::abs(s) >= kFullScale; });
    mix(block, static_cast<size_t>(num_channels));
    num_moments_ += static_cast<int64_t>(mono_.size());
    if (num_moments_ > kMaxSeconds * file_.sample_rate()) {
      return refuse("it is longer than " + std::to_string(kMaxSeconds) + " s; cut out some seconds of clear speech");
    }
    return resampler_.write(mono_.data(), mono_.size(), recording_.samples);
  }

  /// The mean of the channels into mono_.
  void mix(const std::vector<float>& block, size_t num_channels) {
    mono_.resize(block.size() / num_channels);
    for (size_t i = 0; i < mono_.size(); ++i) {
      float sum = 0;
      for (size_t channel = 0; channel < num_channels; ++channel) {
        sum += block[i * num_channels + channel];
      }
      mono_[i] = sum / static_cast<float>(num_channels);
    }
  }

  Status check_levels() const {
    if (num_moments_ == 0) {
      return refuse("it holds no samples; record it again");
    }
    const double clipped = static_cast<double>(num_clipped_) / static_cast<double>(num_moments_ * file_.num_channels());
    if (clipped > kMaxClipped) {
      char percent[32];
      std::snprintf(percent, sizeof(percent), "%.1f", 100 * clipped);
      return refuse(std::string("it is clipped, ") + percent + " % of its samples are at full scale; record it softer");
    }
    return {};
  }

  AudioFile& file_;
  Resampler& resampler_;
  Recording recording_;
  std::vector<float> mono_;  ///< The block that is read.
  int64_t num_moments_ = 0, num_clipped_ = 0;
};

/// Keeps what lies between the first and the last loud sample, and a little beside them; all when there is none.
void trim(std::vector<float>& samples, int64_t sample_rate) {
  const auto is_loud = [](float sample) { return std::abs(sample) >= LeadingSilence::kLoud; };
  const auto last = std::find_if(samples.rbegin(), samples.rend(), is_loud);
  if (last == samples.rend()) {
    return;
  }
  const std::ptrdiff_t margin = sample_rate * LeadingSilence::kLeadInMs / 1000;
  const std::ptrdiff_t tail = last - samples.rbegin();
  samples.resize(samples.size() - static_cast<size_t>(std::max<std::ptrdiff_t>(0, tail - margin)));
  const std::ptrdiff_t lead = std::find_if(samples.begin(), samples.end(), is_loud) - samples.begin();
  samples.erase(samples.begin(), samples.begin() + std::max<std::ptrdiff_t>(0, lead - margin));
}

Error in_file(const std::string& path, const Error& error) {
  const bool is_named = error.message.find("'" + path + "'") != std::string::npos;
  return is_named ? error : Error{error.code, "recording '" + path + "': " + error.message};
}

}  // namespace

Result<Recording> read_recording(const std::string& path, int64_t sample_rate, const RecordingOptions& options) {
  auto file = AudioFile::open(path);
  if (!file.ok()) {
    return file.error();
  }
  if (file->sample_rate() < kMinSampleRate || file->sample_rate() > kMaxSampleRate) {
    return Error{ErrorCode::kInvalidArgument, "recording '" + path + "': its sample rate is " +
                                                  std::to_string(file->sample_rate()) + " Hz; give one of " +
                                                  std::to_string(kMinSampleRate) + " to " +
                                                  std::to_string(kMaxSampleRate) + " Hz"};
  }
  auto resampler = Resampler::create(file->sample_rate(), sample_rate);
  if (!resampler.ok()) {
    return in_file(path, resampler.error());
  }
  auto recording = RecordingReader(*file, *resampler).read();
  if (!recording.ok()) {
    return in_file(path, recording.error());
  }
  recording->source = "'" + path + "'";
  if (options.trim_silence) {
    trim(recording->samples, sample_rate);
  }
  return recording;
}

}  // namespace qwen3_tts
