// RecordingOptions: parts, channels and silence of sound files, and files that are pipes.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <qwen3_tts/read_recording.h>

#include "sound_files.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using testing::must;
using testing::read_bytes;
using testing::sine;
using testing::write_sound;

constexpr int64_t kRate = 24000;

class RecordingOptionsTest : public ::testing::Test {
 protected:
  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("a sound");

  void expect_refused(const std::string& word, const RecordingOptions& options) const {
    const auto recording = read_recording(path_, kRate, options);
    ASSERT_FALSE(recording.ok()) << "expected: " << word;
    EXPECT_EQ(recording.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(recording.error().message.find("'" + path_ + "'"), std::string::npos) << recording.error().message;
    EXPECT_NE(recording.error().message.find(word), std::string::npos) << recording.error().message;
  }
};

/// Two seconds; the second channel is the first one times `factor`.
std::vector<float> stereo(float factor) {
  std::vector<float> samples;
  for (const float sample : sine(440, 2, kRate)) {
    samples.insert(samples.end(), {sample, factor * sample});
  }
  return samples;
}

TEST_F(RecordingOptionsTest, TakesTheLouderOfChannelsThatCancel) {
  const auto tone = sine(440, 2, kRate);
  for (const float factor : {-1.0F, -0.8F, -1.25F}) {
    write_sound(path_, stereo(factor), kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
    const Recording recording = must(read_recording(path_, kRate, {}));
    std::vector<float> expected = tone;
    for (float& sample : expected) {
      sample *= factor < -1.0F ? factor : 1.0F;
    }
    EXPECT_EQ(recording.samples, expected) << factor;
    ASSERT_EQ(recording.notes.size(), 1U) << factor;
    const std::string& note = recording.notes[0];
    EXPECT_NE(note.find("'" + path_ + "': its channels cancel each other"), std::string::npos) << note;
    EXPECT_NE(note.find(factor < -1.0F ? "right" : "left"), std::string::npos) << note;
  }
}

TEST_F(RecordingOptionsTest, TakesTheMeanOfChannelsThatDoNotCancel) {
  for (const float factor : {-0.3F, 0.0F, 1.0F}) {
    write_sound(path_, stereo(factor), kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
    const Recording recording = must(read_recording(path_, kRate, {}));
    EXPECT_NEAR(recording.samples[14], 0.5F * (1 + factor) * 0.5F * std::sin(14 * 440 * 6.2831853F / kRate), 1e-4);
    EXPECT_TRUE(recording.notes.empty()) << factor;
  }
  write_sound(path_, std::vector<float>(48000, 0.0F), kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
  EXPECT_TRUE(must(read_recording(path_, kRate, {})).notes.empty());
}

TEST_F(RecordingOptionsTest, TakesAChannelAlone) {
  write_sound(path_, stereo(-1), kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
  RecordingOptions options;
  for (const auto& [channel, factor] : {std::pair(RecordingChannel::kLeft, 1.0F), {RecordingChannel::kRight, -1.0F}}) {
    options.channel = channel;
    const Recording recording = must(read_recording(path_, kRate, options));
    EXPECT_EQ(recording.samples[14], factor * stereo(-1)[28]);
    EXPECT_TRUE(recording.notes.empty());
  }
  write_sound(path_, sine(440, 1, kRate), kRate);
  expect_refused("no right one", options);
  options.channel = RecordingChannel::kLeft;
  EXPECT_EQ(must(read_recording(path_, kRate, options)).samples, sine(440, 1, kRate));
}

TEST_F(RecordingOptionsTest, TakesAPart) {
  auto samples = sine(440, 8, kRate);  // More than two blocks.
  std::fill(samples.begin() + 180000, samples.end(), std::nanf(""));
  write_sound(path_, samples, kRate);
  expect_refused("sample 180000 is not a finite number", {});
  RecordingOptions options;
  for (const auto& [start, duration] : {std::pair(0.0, 1.0), {2.5, 0.25}, {1.0, 5.0}, {7.4999, 0.0001}}) {
    options.start_s = start;
    options.duration_s = duration;
    const auto first = samples.begin() + std::lround(start * kRate);
    const auto count = std::lround(duration * kRate);
    EXPECT_EQ(must(read_recording(path_, kRate, options)).samples, std::vector<float>(first, first + count)) << start;
  }
}

TEST_F(RecordingOptionsTest, SaysThatAPartIsNotThere) {
  write_sound(path_, sine(440, 3, 16000), 16000);
  RecordingOptions options;
  options.start_s = 1;
  EXPECT_EQ(must(read_recording(path_, kRate, options)).samples.size(), 48000U);
  options.duration_s = 5;
  const Recording recording = must(read_recording(path_, kRate, options));
  EXPECT_EQ(recording.samples.size(), 48000U);
  ASSERT_EQ(recording.notes.size(), 1U);
  EXPECT_NE(recording.notes[0].find("it ends 3.00 s before"), std::string::npos) << recording.notes[0];
  options.start_s = 3;
  expect_refused("it lasts 3.00 s", options);
}

TEST_F(RecordingOptionsTest, TakesAPartOfWhatIsTooLong) {
  write_sound(path_, std::vector<float>(size_t{700} * 8000, 0.1F), 8000, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
  RecordingOptions options;
  options.start_s = 650;
  options.duration_s = 10;
  EXPECT_EQ(must(read_recording(path_, kRate, options)).samples.size(), 240000U);
}

TEST_F(RecordingOptionsTest, AppendsSilenceBehindWhatIsTrimmed) {
  const auto tone = sine(1000, 1, kRate);
  std::vector<float> samples = tone;
  samples.insert(samples.end(), 24000, 0.001F);
  write_sound(path_, samples, kRate);
  RecordingOptions options;
  options.trim_silence = true;
  std::vector<float> expected = must(read_recording(path_, kRate, options)).samples;
  expected.insert(expected.end(), 12000, 0.0F);
  options.append_silence_s = 0.5;
  EXPECT_EQ(must(read_recording(path_, kRate, options)).samples, expected);
}

TEST_F(RecordingOptionsTest, RefusesOptionsThatMeanNothing) {
  write_sound(path_, sine(440, 1, kRate), kRate);
  const double nan = std::nan("");
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double value : {-1.0, nan, infinite}) {
    RecordingOptions options;
    options.start_s = value;
    expect_refused("start of the part", options);
    options.start_s = 0;
    options.duration_s = value;
    expect_refused("duration of the part", options);
    options.duration_s.reset();
    options.append_silence_s = value;
    expect_refused("silence to append", options);
  }
  RecordingOptions options;
  options.duration_s = 0;
  expect_refused("duration of the part is 0 s", options);
}

TEST_F(RecordingOptionsTest, ReadsAPipe) {
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_OGG | SF_FORMAT_VORBIS,
                           SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
    const std::string file = folder_.file("file");
    write_sound(file, sine(440, 3, kRate), kRate, format);
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    std::thread writer([&file, end = ends[1]] {
      const std::string bytes = read_bytes(file);
      EXPECT_EQ(::write(end, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
      ::close(end);
    });
    const auto recording = read_recording("/dev/fd/" + std::to_string(ends[0]), kRate, {});
    writer.join();
    ::close(ends[0]);
    EXPECT_EQ(must(recording).samples, must(read_recording(file, kRate, {})).samples);
  }
}

TEST_F(RecordingOptionsTest, ComeFromJson) {
  RecordingOptions options;
  ASSERT_TRUE(from_json(R"({"start_s": 1.5, "duration_s": 2, "channel": "right", "trim_silence": true,
                            "allow_clipping": true, "append_silence_s": 0.25})",
                        options)
                  .ok());
  EXPECT_EQ(options.start_s, 1.5);
  EXPECT_EQ(options.duration_s, 2.0);
  EXPECT_EQ(options.channel, RecordingChannel::kRight);
  EXPECT_TRUE(options.trim_silence);
  EXPECT_TRUE(options.allow_clipping);
  EXPECT_EQ(options.append_silence_s, 0.25);
  ASSERT_TRUE(from_json(R"({"duration_s": null})", options).ok());
  EXPECT_FALSE(options.duration_s.has_value());
  EXPECT_EQ(from_json(R"({"gain": 2})", options).error().message,
            "there is no key 'gain'; use start_s, duration_s, channel, trim_silence, allow_clipping, append_silence_s");
}

}  // namespace
}  // namespace qwen3_tts
