#include <algorithm>
#include <cmath>
#include <cstdio>

#include <qwen3_tts/read_recording.h>

#include "audio/leading_silence.h"
#include "base/error.h"
#include "base/try.h"
#include "recording/audio_file.h"
#include "recording/byte_source.h"
#include "recording/resampler.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kMinSampleRate = 8000;  // Of a telephone; below it, much of a voice is not there.
constexpr int64_t kMaxSampleRate = 768000;
constexpr int64_t kMaxSeconds = 600;  // Bounds the memory; what an encoder takes is less.
constexpr float kFullScale = 0.9995F;
constexpr double kMaxClipped = 0.01;  // Of all samples. A recording that is only loud touches full scale much less.

/// A recording while it is read: checked, mixed to one channel and resampled block by block. A message names no file.
class RecordingReader {
 public:
  RecordingReader(const AudioFile& file, Resampler& resampler) : file_(file), resampler_(resampler) {}

  Status take(const std::vector<float>& block) {
    const int64_t num_channels = file_.num_channels();
    const auto bad = std::find_if(block.begin(), block.end(), [](float sample) { return !std::isfinite(sample); });
    if (bad != block.end()) {
      return invalid_argument("sample " + std::to_string(num_moments_ + (bad - block.begin()) / num_channels) +
                              " is not a finite number; make the file again");
    }
    num_clipped_ += std::count_if(block.begin(), block.end(), [](float s) { return std::abs(s) >= kFullScale; });
    mix(block, static_cast<size_t>(num_channels));
    num_moments_ += static_cast<int64_t>(mono_.size());
    if (num_moments_ > kMaxSeconds * file_.sample_rate()) {
      return invalid_argument("it is longer than " + std::to_string(kMaxSeconds) +
                              " s; cut out some seconds of clear speech");
    }
    return resampler_.write(mono_.data(), mono_.size(), recording_.samples);
  }

  /// Once, after the last block.
  Result<Recording> finish() {
    RETURN_IF_ERROR(check_levels());
    RETURN_IF_ERROR(resampler_.finish(recording_.samples));
    return std::move(recording_);
  }

 private:
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
      return invalid_argument("it holds no samples; record it again");
    }
    const double clipped = static_cast<double>(num_clipped_) / static_cast<double>(num_moments_ * file_.num_channels());
    if (clipped > kMaxClipped) {
      char percent[32];
      std::snprintf(percent, sizeof(percent), "%.1f", 100 * clipped);
      return invalid_argument(std::string("it is clipped, ") + percent +
                              " % of its samples are at full scale; record it softer");
    }
    return {};
  }

  const AudioFile& file_;
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

}  // namespace

Result<Recording> read_recording(const std::string& path, int64_t sample_rate, const RecordingOptions& options) {
  const std::string name = path == "-" ? "from standard input" : "'" + path + "'";
  const std::string subject = "recording " + name;
  ASSIGN_OR_RETURN(ByteSource source, ByteSource::open(path));
  ASSIGN_OR_RETURN(AudioFile file, AudioFile::open(source));
  if (file.sample_rate() < kMinSampleRate || file.sample_rate() > kMaxSampleRate) {
    return invalid_argument(subject + ": its sample rate is " + std::to_string(file.sample_rate()) +
                            " Hz; give one of " + std::to_string(kMinSampleRate) + " to " +
                            std::to_string(kMaxSampleRate) + " Hz");
  }
  ASSIGN_OR_RETURN(Resampler resampler, about(subject, Resampler::create(file.sample_rate(), sample_rate)));
  RecordingReader reader(file, resampler);
  for (std::vector<float> block; true;) {
    RETURN_IF_ERROR(file.read(block));
    if (block.empty()) {
      break;
    }
    RETURN_IF_ERROR(about(subject, reader.take(block)));
  }
  ASSIGN_OR_RETURN(Recording recording, about(subject, reader.finish()));
  recording.source = name;
  if (!file.has_end()) {
    recording.notes.push_back(subject + ": it has no mark of its end, so it may be cut off");
  }
  if (options.trim_silence) {
    trim(recording.samples, sample_rate);
  }
  return recording;
}

}  // namespace qwen3_tts
