#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include <qwen3_tts/read_recording.h>

#include "audio/leading_silence.h"
#include "base/catching.h"
#include "base/error.h"
#include "base/try.h"
#include "recording/audio_file.h"
#include "recording/byte_source.h"
#include "recording/channel_mixer.h"
#include "recording/given_sound.h"
#include "recording/recording_part.h"
#include "recording/resampler.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kMinSampleRate = 8000;  // Of a telephone; below it, much of a voice is not there.
constexpr int64_t kMaxSampleRate = 768000;
constexpr int64_t kMaxSeconds = 600;  // Bounds the memory; what an encoder takes is less.
// Of all channels: a few bytes may stand for minutes of silence at a high rate in many channels. Ten minutes at 48 kHz
// in 4 channels are less.
constexpr int64_t kMaxSamples = int64_t{1} << 27;
constexpr float kLargest = 1e10F;  // Floats of 32-bit integers are smaller. Sums of samples up to it stay finite.
constexpr float kFullScale = 0.9995F;
constexpr float kBeyondFullScale = 1.01F;
constexpr double kMaxClipped = 0.01;  // Of all samples. A recording that is only loud touches full scale much less.

std::string seconds(int64_t num_moments, int64_t sample_rate) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f s", static_cast<double>(num_moments) / static_cast<double>(sample_rate));
  return text;
}

/// NaN is none.
bool is_sound(float sample) { return std::abs(sample) <= kLargest; }

Error not_sound(int64_t place, float sample) {
  char text[96] = "not a finite number";
  if (std::isfinite(sample)) {
    std::snprintf(text, sizeof(text), "%.4g, far beyond full scale, which is 1", static_cast<double>(sample));
  }
  return invalid_argument("sample " + std::to_string(place) + " is " + text + "; make it again");
}

/// Reads a sound once: checks the part that was asked for, makes it one channel and resamples it, block by block. A
/// message names no file, unless it is the file's.
class RecordingReader {
 public:
  /// `channel` counts from 0; without one, the mean is taken.
  RecordingReader(Sound& sound, Resampler& resampler, const RecordingOptions& options, std::optional<size_t> channel)
      : sound_(sound),
        resampler_(resampler),
        allow_clipping_(options.allow_clipping),
        channel_(channel),
        part_(options, sound.sample_rate(), sound.num_channels()),
        mixer_(static_cast<size_t>(sound.num_channels()), channel) {}

  /// `subject` is what messages are about. Once.
  Result<Recording> read(const std::string& subject) {
    for (std::vector<float> block; !part_.is_over();) {
      RETURN_IF_ERROR(sound_.read(block));
      if (block.empty()) {
        break;
      }
      const int64_t first_moment = part_.cut(block);
      RETURN_IF_ERROR(about(subject, take(block, first_moment)));
    }
    RETURN_IF_ERROR(about(subject, check_part()));
    RETURN_IF_ERROR(about(subject, check_levels()));
    RETURN_IF_ERROR(about(subject, resampler_.finish(recording_.samples)));
    if (!sound_.has_end()) {
      recording_.notes.push_back(subject + ": it has no mark of its end, so it may be cut off; " +
                                 seconds(part_.num_passed(), sound_.sample_rate()) + " are there");
    }
    if (part_.num_missing() > 0) {
      recording_.notes.push_back(subject + ": it ends " + seconds(part_.num_missing(), sound_.sample_rate()) +
                                 " before the part does that was asked for");
    }
    return std::move(recording_);
  }

  std::optional<size_t> loudest_of_cancelled() const { return mixer_.loudest_of_cancelled(); }

 private:
  Status take(const std::vector<float>& block, int64_t first_moment) {
    const auto num_channels = static_cast<size_t>(sound_.num_channels());
    const auto bad = std::find_if(block.begin(), block.end(), [](float sample) { return !is_sound(sample); });
    if (bad != block.end()) {
      const int64_t place = first_moment + (bad - block.begin()) / sound_.num_channels();
      return not_sound(place, *bad);
    }
    for (size_t i = channel_.value_or(0); i < block.size(); i += channel_ ? num_channels : 1) {
      num_clipped_ += std::abs(block[i]) >= kFullScale ? 1 : 0;
      peak_ = std::max(peak_, std::abs(block[i]));
    }
    const std::vector<float>& mono = mixer_.mix(block);
    if (part_.num_taken() > kMaxSeconds * sound_.sample_rate()) {
      return invalid_argument("it is longer than " + std::to_string(kMaxSeconds) +
                              " s; take a part of it, some seconds of clear speech");
    }
    if (part_.num_taken() > kMaxSamples / sound_.num_channels()) {
      return invalid_argument("it holds more than " + std::to_string(kMaxSamples) + " samples in its " +
                              std::to_string(sound_.num_channels()) +
                              " channels; convert it to one channel of 48 kHz, or take a part of it");
    }
    return resampler_.write(mono.data(), mono.size(), recording_.samples);
  }

  Status check_part() const {
    if (part_.num_passed() == 0) {
      return invalid_argument("it holds no samples; record it again");
    }
    if (part_.num_taken() == 0) {
      return invalid_argument("it lasts " + seconds(part_.num_passed(), sound_.sample_rate()) +
                              ", and the part that was asked for begins behind its end; begin earlier");
    }
    return {};
  }

  Status check_levels() const {
    const int64_t num_judged = part_.num_taken() * (channel_ ? 1 : sound_.num_channels());
    const double clipped = static_cast<double>(num_clipped_) / static_cast<double>(num_judged);
    if (clipped <= kMaxClipped || allow_clipping_) {
      return {};
    }
    char text[128];
    std::snprintf(text, sizeof(text), "it is clipped, %.1f %% of its samples are at full scale", 100 * clipped);
    if (peak_ > kBeyondFullScale) {  // Floats may be.
      std::snprintf(text + std::strlen(text), sizeof(text) - std::strlen(text), " or beyond, up to %.4g", peak_);
    }
    return invalid_argument(text + std::string(peak_ > kBeyondFullScale ? "; lower its level" : "; record it softer") +
                            ", or allow clipping");
  }

  Sound& sound_;
  Resampler& resampler_;
  bool allow_clipping_;
  std::optional<size_t> channel_;
  RecordingPart part_;
  ChannelMixer mixer_;
  Recording recording_;
  int64_t num_clipped_ = 0;
  float peak_ = 0;
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

Status check_rate(const char* what, int64_t sample_rate) {
  if (sample_rate < kMinSampleRate || sample_rate > kMaxSampleRate) {
    return invalid_argument(what + std::string(" sample rate is ") + std::to_string(sample_rate) + " Hz; give one of " +
                            std::to_string(kMinSampleRate) + " to " + std::to_string(kMaxSampleRate) + " Hz");
  }
  return {};
}

Status check_sound(const Sound& sound, const RecordingOptions& options) {
  RETURN_IF_ERROR(check_rate("its", sound.sample_rate()));
  if (options.channel == RecordingChannel::kRight && sound.num_channels() == 1) {
    return invalid_argument("it has one channel, no right one; take the mix");
  }
  return {};
}

std::optional<size_t> channel_of(RecordingChannel channel) {
  if (channel == RecordingChannel::kMix) {
    return std::nullopt;
  }
  return channel == RecordingChannel::kLeft ? 0 : 1;
}

std::string name_of_channel(size_t channel, int64_t num_channels) {
  if (num_channels > 2) {
    return "channel " + std::to_string(channel + 1);
  }
  return channel == 0 ? "the left one" : "the right one";
}

/// Reads the sound of `source`, and again, the loudest channel alone, when the channels cancel each other.
Result<Recording> read_source(ByteSource& source, const std::string& subject, int64_t sample_rate,
                              const RecordingOptions& options) {
  std::optional<size_t> channel = channel_of(options.channel);
  std::vector<std::string> notes;
  while (true) {
    ASSIGN_OR_RETURN(AudioFile file, AudioFile::open(source));
    RETURN_IF_ERROR(about(subject, check_sound(file, options)));
    ASSIGN_OR_RETURN(Resampler resampler, about(subject, Resampler::create(file.sample_rate(), sample_rate)));
    RecordingReader reader(file, resampler, options, channel);
    ASSIGN_OR_RETURN(Recording recording, reader.read(subject));
    const auto loudest = channel ? std::nullopt : reader.loudest_of_cancelled();
    if (!loudest) {
      recording.notes.insert(recording.notes.begin(), notes.begin(), notes.end());
      return recording;
    }
    channel = loudest;
    notes.push_back(subject + ": its channels cancel each other, so " + name_of_channel(*loudest, file.num_channels()) +
                    ", the loudest, is taken alone");
  }
}

/// What is not known before all samples are.
Recording finished(Recording recording, int64_t sample_rate, const RecordingOptions& options) {
  if (options.trim_silence) {
    trim(recording.samples, sample_rate);
  }
  const auto silence = std::llround(options.append_silence_s * static_cast<double>(sample_rate));
  recording.samples.resize(recording.samples.size() + static_cast<size_t>(silence));
  return recording;
}

Status check_request(int64_t sample_rate, const RecordingOptions& options) {
  RETURN_IF_ERROR(check_rate("the wanted", sample_rate));
  return check_options(options);
}

}  // namespace

Result<Recording> read_recording(const std::string& path, int64_t sample_rate, const RecordingOptions& options) {
  return catching([&]() -> Result<Recording> {
    const std::string name = path == "-" ? "from standard input" : "'" + path + "'";
    const std::string subject = "recording " + name;
    RETURN_IF_ERROR(about(subject, check_request(sample_rate, options)));
    ASSIGN_OR_RETURN(ByteSource source, ByteSource::open(path));
    ASSIGN_OR_RETURN(Recording recording, read_source(source, subject, sample_rate, options));
    recording.source = name;
    return finished(std::move(recording), sample_rate, options);
  });
}

Result<Recording> recording_from_samples(const float* samples, size_t num_samples, int64_t from_rate,
                                         int64_t sample_rate, const RecordingOptions& options) {
  return catching([&]() -> Result<Recording> {
    const std::string subject = "recording";
    GivenSound sound(samples, num_samples, from_rate);
    RETURN_IF_ERROR(about(subject, check_request(sample_rate, options)));
    RETURN_IF_ERROR(about(subject, check_sound(sound, options)));
    ASSIGN_OR_RETURN(Resampler resampler, about(subject, Resampler::create(from_rate, sample_rate)));
    ASSIGN_OR_RETURN(Recording recording,
                     RecordingReader(sound, resampler, options, channel_of(options.channel)).read(subject));
    return finished(std::move(recording), sample_rate, options);
  });
}

}  // namespace qwen3_tts
