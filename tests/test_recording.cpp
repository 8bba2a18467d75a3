// read_recording(): from sound files to samples.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <qwen3_tts/read_recording.h>

#include "sound_files.h"
#include "temp_folder.h"
#include "test_models.h"

/// libsndfile 1.2 does not free this when the header of an OGG file is damaged.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier): LeakSanitizer's name
  return "leak:vorbis_info_init\n";
}

namespace qwen3_tts {
namespace {

using testing::must;
using testing::read_bytes;
using testing::sine;
using testing::write_bytes;
using testing::write_sound;

constexpr int64_t kRate = 24000;

class RecordingTest : public ::testing::Test {
 protected:
  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("a sound");  // Names do not tell formats.

  std::vector<float> read(bool trim_silence = false) const {
    RecordingOptions options;
    options.trim_silence = trim_silence;
    return must(read_recording(path_, kRate, options)).samples;
  }

  void expect_refused(const std::string& word, ErrorCode code = ErrorCode::kInvalidArgument) const {
    const auto recording = read_recording(path_, kRate, {});
    ASSERT_FALSE(recording.ok()) << "expected: " << word;
    const Error& error = recording.error();
    EXPECT_EQ(error.code, code);
    EXPECT_NE(error.message.find("'" + path_ + "'"), std::string::npos) << error.message;
    EXPECT_NE(error.message.find(word), std::string::npos) << error.message;
  }
};

/// The largest difference; samples of one more or less than the other has count as 0.
float difference(std::vector<float> left, std::vector<float> right) {
  const size_t size = std::max(left.size(), right.size());
  left.resize(size);
  right.resize(size);
  float largest = 0;
  for (size_t i = 0; i < size; ++i) {
    largest = std::max(largest, std::abs(left[i] - right[i]));
  }
  return largest;
}

TEST_F(RecordingTest, ReadsWhatLibsndfileReads) {
  const auto samples = sine(440, 1.5, kRate);
  const struct {
    const char* name;
    int format;
    float tolerance;
  } formats[] = {
      {"WAV, float", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0},
      {"WAV, 16 bits", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 1.0F / 32768},
      {"WAV, 8 bits", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 1.0F / 128},
      {"WAV, mu-law", SF_FORMAT_WAV | SF_FORMAT_ULAW, 0.02F},
      {"RF64", SF_FORMAT_RF64 | SF_FORMAT_PCM_24, 1e-6F},
      {"AIFF", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 1e-6F},
      {"FLAC", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 1.0F / 32768},
      {"OGG Vorbis", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 0.02F},
      {"OGG Opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 0.1F},
      {"MP3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 0.05F},
  };
  for (const auto& format : formats) {
    write_sound(path_, samples, kRate, format.format);
    const auto found = read();
    EXPECT_NEAR(static_cast<double>(found.size()), static_cast<double>(samples.size()), 2000) << format.name;
    if (format.tolerance == 0) {
      EXPECT_EQ(found, samples) << format.name;
    }
    // Codecs with loss need time to begin and to end.
    const std::vector<float> middle(found.begin() + 6000, found.begin() + 24000);
    EXPECT_LE(difference(middle, {samples.begin() + 6000, samples.begin() + 24000}), format.tolerance) << format.name;
  }
}

TEST_F(RecordingTest, TakesTheMeanOfTheChannels) {
  for (const int num_channels : {1, 2, 3, 6}) {
    std::vector<float> interleaved;
    for (int i = 0; i < 100000; ++i) {  // More than one block.
      for (int channel = 0; channel < num_channels; ++channel) {
        interleaved.push_back(static_cast<float>(channel) * 0.125F + static_cast<float>(i % 64) / 256);
      }
    }
    write_sound(path_, interleaved, kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, num_channels);
    const auto samples = read();
    ASSERT_EQ(samples.size(), 100000U);
    for (size_t i = 0; i < samples.size(); ++i) {
      ASSERT_NEAR(samples[i], static_cast<float>(num_channels - 1) * 0.0625F + static_cast<float>(i % 64) / 256, 1e-6);
    }
  }
}

TEST_F(RecordingTest, ResamplesAnyRate) {
  for (const int64_t rate : {8000, 16000, 44100, 48000, 96000}) {
    std::vector<float> stereo;
    for (const float sample : sine(440, 2, rate)) {
      stereo.insert(stereo.end(), {sample, sample});
    }
    write_sound(path_, stereo, rate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
    const auto samples = read();
    ASSERT_EQ(samples.size(), 48000U) << rate;
    const auto expected = sine(440, 2, kRate);
    EXPECT_LE(
        difference({samples.begin() + 2400, samples.end() - 2400}, {expected.begin() + 2400, expected.end() - 2400}),
        2e-5F)
        << rate;
  }
}

TEST_F(RecordingTest, SamplesAreTakenAsAFileIs) {
  RecordingOptions options;
  options.start_s = 0.5;
  options.trim_silence = true;
  options.append_silence_s = 0.25;
  for (const int64_t rate : {8000, 24000, 44100}) {
    std::vector<float> samples = sine(440, 3, rate);
    samples.resize(samples.size() + 5000);
    write_sound(path_, samples, rate, SF_FORMAT_WAV | SF_FORMAT_FLOAT);
    const Recording given = must(recording_from_samples(samples.data(), samples.size(), rate, kRate, options));
    EXPECT_EQ(given.samples, must(read_recording(path_, kRate, options)).samples) << rate;
    EXPECT_EQ(given.source, "");
  }
  const float sample = std::numeric_limits<float>::infinity();
  EXPECT_EQ(recording_from_samples(&sample, 1, kRate, kRate, {}).error().message,
            "recording: sample 0 is not a finite number; make it again");
  EXPECT_NE(recording_from_samples(&sample, 0, kRate, kRate, {}).error().message.find("no samples"), std::string::npos);
  EXPECT_NE(recording_from_samples(&sample, 1, kRate, 7999, {}).error().message.find("wanted sample rate is 7999 Hz"),
            std::string::npos);
}

TEST_F(RecordingTest, NamesItsSource) {
  write_sound(path_, sine(440, 1, kRate), kRate);
  EXPECT_EQ(must(read_recording(path_, kRate, {})).source, "'" + path_ + "'");
}

TEST_F(RecordingTest, TrimsBothEndsWhenAsked) {
  const auto tone = sine(1000, 1, kRate);
  std::vector<float> samples(30000, 0.004F);
  samples.insert(samples.end(), tone.begin(), tone.end());
  samples.insert(samples.end(), 50000, -0.004F);
  write_sound(path_, samples, kRate);
  EXPECT_EQ(read(), samples);
  // The sine passes 0.005 after its first sample and before its last; 480 samples are 20 ms.
  const auto is_loud = [](float sample) { return std::abs(sample) >= 0.005F; };
  const auto first = std::find_if(samples.begin(), samples.end(), is_loud) - 480;
  const auto last = std::find_if(samples.rbegin(), samples.rend(), is_loud).base() + 480;
  EXPECT_EQ(read(/*trim_silence=*/true), std::vector<float>(first, last));
}

TEST_F(RecordingTest, TrimsNothingNextToTheEnds) {
  const auto samples = sine(1000, 1, kRate);
  write_sound(path_, samples, kRate);
  EXPECT_EQ(read(/*trim_silence=*/true), samples);
  write_sound(path_, std::vector<float>(1000, 0.001F), kRate);  // Nothing is loud: nothing to trim to.
  EXPECT_EQ(read(/*trim_silence=*/true).size(), 1000U);
}

TEST_F(RecordingTest, RefusesWhatIsNoFile) {
  expect_refused("No such file", ErrorCode::kIo);
  ASSERT_EQ(::mkdir(path_.c_str(), 0777), 0);
  expect_refused("not a regular file", ErrorCode::kIo);
  ASSERT_EQ(::rmdir(path_.c_str()), 0);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0666), 0);
  expect_refused("nobody writes to this pipe", ErrorCode::kIo);
}

TEST_F(RecordingTest, RefusesWhatIsNoSoundFile) {
  write_bytes(path_, "");
  expect_refused("is empty");
  write_bytes(path_, "What Ann says.\n");
  expect_refused("not a sound file");
  write_bytes(path_, std::string(100000, '\0'));
  expect_refused("not a sound file");
}

TEST_F(RecordingTest, RefusesAFileWithoutSamples) {
  write_sound(path_, {}, kRate);
  expect_refused("no samples");
}

TEST_F(RecordingTest, RefusesWhatIsNoNumber) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    auto samples = sine(440, 4, kRate);
    samples.insert(samples.end(), samples.begin(), samples.end());
    samples[160001] = bad;  // In the second channel and the second block.
    write_sound(path_, samples, kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
    expect_refused("sample 80000 is not a finite number");
  }
}

TEST_F(RecordingTest, RefusesWhatIsNoSound) {
  auto samples = sine(440, 4, kRate);
  samples[500] = samples[501] = 3e38F;  // Their mean would be infinite.
  write_sound(path_, samples, kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
  expect_refused("sample 250 is 3e+38, far beyond full scale, which is 1; make it again");
}

TEST_F(RecordingTest, RefusesMoreSamplesThanItWouldReadInSeconds) {
  constexpr int kNumChannels = 1000;
  write_sound(path_, std::vector<float>(kNumChannels), 8000, SF_FORMAT_AU | SF_FORMAT_PCM_S8, kNumChannels);
  std::string header = read_bytes(path_).substr(0, 24);
  header.replace(8, 4, "\xFF\xFF\xFF\xFF");  // Bytes of sound: as many as there are.
  write_bytes(path_, header);
  std::filesystem::resize_file(path_, (uintmax_t{1} << 27) + (1 << 17));  // They take no room.
  expect_refused("more than 134217728 samples in its 1000 channels");
}

TEST_F(RecordingTest, SurvivesDistancesThatNoFileHas) {
  write_sound(path_, sine(440, 1, kRate), kRate, SF_FORMAT_RF64 | SF_FORMAT_PCM_16);
  std::string file = read_bytes(path_);
  file.replace(28, 8, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F");  // Bytes of sound.
  write_bytes(path_, file);
  EXPECT_EQ(read().size(), static_cast<size_t>(kRate));
}

TEST_F(RecordingTest, RefusesClipping) {
  auto samples = sine(440, 2, kRate, 3.0);
  for (float& sample : samples) {
    sample = std::clamp(sample, -1.0F, 1.0F);
  }
  write_sound(path_, samples, kRate, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  expect_refused("clipped, 78");
  write_sound(path_, sine(440, 2, kRate, 20000.0), kRate);  // Floats that are meant as 16-bit numbers.
  expect_refused("clipped, 99.");
  std::vector<float> one_channel;
  for (const float sample : samples) {
    one_channel.insert(one_channel.end(), {sample, 0.0F});
  }
  write_sound(path_, one_channel, kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT, 2);
  expect_refused("clipped, 39");
  write_sound(path_, sine(440, 2, kRate, 1.0), kRate, SF_FORMAT_WAV | SF_FORMAT_FLOAT);
  expect_refused("clipped, 2.");
  RecordingOptions options;
  options.allow_clipping = true;
  EXPECT_EQ(must(read_recording(path_, kRate, options)).samples, sine(440, 2, kRate, 1.0));
  write_sound(path_, sine(440, 2, kRate, 1.5), kRate);  // Floats may go beyond full scale.
  expect_refused("or beyond, up to 1.5; lower its level, or allow clipping");
}

TEST_F(RecordingTest, TakesALoudRecording) {
  auto samples = sine(440, 2, kRate, 0.99);
  std::fill_n(samples.begin() + 1000, 400, 1.0F);  // Less than one in a hundred.
  write_sound(path_, samples, kRate);
  EXPECT_EQ(read(), samples);
}

TEST_F(RecordingTest, RefusesWhatIsTooLongBeforeItTakesMemory) {
  write_sound(path_, std::vector<float>(size_t{601} * 8000, 0.1F), 8000, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
  expect_refused("longer than 600 s");
}

TEST_F(RecordingTest, RefusesImpossibleSampleRates) {
  for (const int64_t rate : {1, 7999, 768001}) {
    write_sound(path_, std::vector<float>(1000, 0.1F), rate);
    expect_refused(std::to_string(rate) + " Hz");
  }
}

TEST_F(RecordingTest, RefusesAFlacThatIsCutOff) {
  write_sound(path_, sine(440, 10, kRate), kRate, SF_FORMAT_FLAC | SF_FORMAT_PCM_16);
  const std::string whole = read_bytes(path_);
  write_bytes(path_, whole.substr(0, whole.size() / 2));
  expect_refused("damaged or cut off");
}

/// Bytes from outside reach libsndfile's decoders: whatever they make of them, nothing may crash here.
TEST_F(RecordingTest, DamagedFilesAreSurvived) {
  for (const int format : {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
                           SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}) {
    write_sound(path_, sine(440, 0.2, kRate), kRate, format);
    const std::string whole = read_bytes(path_);
    for (size_t size = 0; size < whole.size(); size += 1 + whole.size() / 64) {
      write_bytes(path_, whole.substr(0, size));
      const auto recording = read_recording(path_, kRate, {});
      EXPECT_TRUE(!recording.ok() || recording->samples.size() < 20000U);
    }
    for (size_t position = 0; position < std::min<size_t>(whole.size(), 128); ++position) {
      std::string damaged = whole;
      damaged[position] = static_cast<char>(damaged[position] ^ '\xff');
      write_bytes(path_, damaged);
      const auto recording = read_recording(path_, kRate, {});
      EXPECT_TRUE(recording.ok() || recording.error().message.find(path_) != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace qwen3_tts
