#include <qwen3_tts/encoded_sink.h>

#include <sndfile.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "file_size_limit.h"
#include "sound_files.h"
#include "temp_folder.h"

namespace qwen3_tts {
namespace {

using testing::FileSizeLimit;
using testing::read_bytes;
using testing::TempFolder;

constexpr int64_t kRate = 24000;
constexpr int64_t kChunk = 1920;  // 80 ms.

const std::map<std::string, int> kFormats = {{"wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},
                                             {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16},
                                             {"opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},
                                             {"ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
                                             {"mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III}};
const std::map<std::string, AudioFormat> kNames = {{"wav", AudioFormat::kWav},
                                                   {"flac", AudioFormat::kFlac},
                                                   {"opus", AudioFormat::kOpus},
                                                   {"ogg", AudioFormat::kVorbis},
                                                   {"mp3", AudioFormat::kMp3}};

struct Sound {
  SF_INFO info{};
  std::vector<float> samples;
};

/// What libsndfile reads from a file; empty when it cannot. A stream's file does not say how many samples it has.
Sound read_sound(const std::string& path) {
  Sound sound;
  SNDFILE* file = sf_open(path.c_str(), SFM_READ, &sound.info);
  if (file != nullptr) {
    sound.samples.resize(100 * kRate);
    sound.samples.resize(static_cast<size_t>(sf_readf_float(file, sound.samples.data(), 100 * kRate)));
    sf_close(file);
  }
  return sound;
}

/// How alike two sounds are: 1 when they are the same but for their loudness. `late`: samples that `heard` comes later.
double likeness(const std::vector<float>& said, const std::vector<float>& heard, size_t late) {
  double product = 0;
  double said_power = 0;
  double heard_power = 0;
  for (size_t i = 0; i < said.size() && i + late < heard.size(); ++i) {
    product += said[i] * heard[i + late];
    said_power += said[i] * said[i];
    heard_power += heard[i + late] * heard[i + late];
  }
  return product / std::sqrt(said_power * heard_power);
}

/// The best of them in the first quarter of a second, for a decoder may be up to 2000 samples late.
double likeness(const std::vector<float>& said, const std::vector<float>& heard) {
  const std::vector<float> begin(said.begin(), said.begin() + kRate / 4);
  double best = -1;
  for (size_t late = 0; late < 2000; ++late) {
    best = std::max(best, likeness(begin, heard, late));
  }
  return best;
}

/// Two seconds of two tones that glide, so that no two moments are alike.
std::vector<float> glide() {
  std::vector<float> samples(2 * kRate);
  for (size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / kRate;
    samples[i] = static_cast<float>(0.3 * std::sin(700 * t * (1 + t)) + 0.2 * std::sin(2900 * t * (1 + 0.3 * t)));
  }
  return samples;
}

/// Writes all samples in chunks, without closing.
Status write(AudioSink& sink, const std::vector<float>& samples) {
  const auto size = static_cast<int64_t>(samples.size());
  for (int64_t first = 0; first < size; first += kChunk) {
    const Status status = sink.write(samples.data() + first, std::min(kChunk, size - first));
    if (!status.ok()) {
      return status;
    }
  }
  return {};
}

std::unique_ptr<EncodedSink> open(const std::string& path) {
  auto sink = EncodedSink::to_file(path, kRate);
  EXPECT_TRUE(sink.ok()) << sink.error().message;
  return std::move(*sink);
}

TEST(EncodedSinkTest, FileIsWhatItsNameSays) {
  const TempFolder folder;
  const std::vector<float> samples = glide();
  for (const auto& [ending, format] : kFormats) {
    const std::string path = folder.file("a." + ending);
    const auto sink = open(path);
    ASSERT_TRUE(write(*sink, samples).ok());
    ASSERT_TRUE(sink->close().ok());
    const Sound sound = read_sound(path);
    EXPECT_EQ(sound.info.format & (SF_FORMAT_TYPEMASK | SF_FORMAT_SUBMASK), format) << ending;
    EXPECT_EQ(sound.info.samplerate, kRate) << ending;
    EXPECT_EQ(sound.info.channels, 1) << ending;
    EXPECT_EQ(sound.info.frames, static_cast<sf_count_t>(samples.size())) << ending;
    EXPECT_EQ(sound.samples.size(), samples.size()) << ending;
    EXPECT_GT(likeness(samples, sound.samples, 0), 0.98) << ending;
  }
}

TEST(EncodedSinkTest, WavAndFlacHoldWhatWavSinkWrites) {
  const TempFolder folder;
  std::vector<float> samples = glide();
  samples[7] = 1.5F;
  samples[8] = -3;
  WavSink wav(folder.file("wav"), kRate);
  ASSERT_TRUE(write(wav, samples).ok() && wav.close().ok());
  for (const std::string name : {"a.wav", "A.FLAC"}) {
    const auto sink = open(folder.file(name));
    ASSERT_TRUE(write(*sink, samples).ok() && sink->close().ok());
    EXPECT_EQ(read_sound(folder.file(name)).samples, read_sound(folder.file("wav")).samples) << name;
  }
  EXPECT_EQ(read_bytes(folder.file("a.wav")), read_bytes(folder.file("wav")));
}

TEST(EncodedSinkTest, NameWithoutAnEndingHoldsWhatIsAskedFor) {
  const TempFolder folder;
  const auto sink = EncodedSink::to_file(folder.file("speech"), kRate, AudioFormat::kFlac);
  ASSERT_TRUE(sink.ok());
  ASSERT_TRUE((*sink)->close().ok());
  EXPECT_EQ(read_bytes(folder.file("speech")).substr(0, 4), "fLaC");
}

TEST(EncodedSinkTest, EmptyUtteranceIsAFileThatPlays) {
  const TempFolder folder;
  for (const auto& [ending, format] : kFormats) {
    const std::string path = folder.file("a." + ending);
    ASSERT_TRUE(open(path)->close().ok());
    const Sound sound = read_sound(path);
    EXPECT_EQ(sound.info.samplerate, kRate) << ending;
    EXPECT_LE(sound.samples.size(), 1U) << ending;
  }
}

TEST(EncodedSinkTest, UnknownEndingNamesAllThatAreKnown) {
  const auto sink = EncodedSink::to_file("b/speech.mp4", kRate);
  ASSERT_FALSE(sink.ok());
  EXPECT_EQ(sink.error().code, ErrorCode::kInvalidArgument);
  for (const std::string part : {"'b/speech.mp4'", "end in .mp4", ".wav, .flac, .opus, .ogg or .mp3"}) {
    EXPECT_NE(sink.error().message.find(part), std::string::npos) << sink.error().message;
  }
}

TEST(EncodedSinkTest, RateThatTheFormatDoesNotTakeIsRefusedBeforeTheFirstWrite) {
  const TempFolder folder;
  for (const auto& sink :
       {EncodedSink::to_file(folder.file("a.opus"), 22050),
        EncodedSink::to_stream([](const void*, size_t) { return Status(); }, 22050, AudioFormat::kOpus)}) {
    ASSERT_FALSE(sink.ok());
    EXPECT_NE(sink.error().message.find("22050 Hz cannot be written as .opus"), std::string::npos)
        << sink.error().message;
  }
  EXPECT_TRUE(folder.is_empty());
}

TEST(EncodedSinkTest, RatesThatMp3DoesNotHaveAreRefused) {
  for (const int64_t rate : {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}) {
    EXPECT_TRUE(EncodedSink::to_stream([](const void*, size_t) { return Status(); }, rate, AudioFormat::kMp3).ok())
        << rate;
  }
  for (const int64_t rate : {7999, 23585, 96000}) {
    const auto sink = EncodedSink::to_stream([](const void*, size_t) { return Status(); }, rate, AudioFormat::kMp3);
    ASSERT_FALSE(sink.ok()) << rate;
    EXPECT_NE(sink.error().message.find(std::to_string(rate) + " Hz cannot be written as .mp3"), std::string::npos)
        << sink.error().message;
  }
}

TEST(EncodedSinkTest, FileTakesItsPlaceWhenItIsComplete) {
  for (const auto& [ending, format] : kFormats) {
    const TempFolder folder;
    const std::string path = folder.file("a." + ending);
    testing::write_bytes(path, "old");
    {
      const auto sink = open(path);
      ASSERT_TRUE(write(*sink, glide()).ok());
      EXPECT_EQ(read_bytes(path), "old") << ending;
      ASSERT_TRUE(sink->close().ok());
      EXPECT_GT(read_bytes(path).size(), 1000U) << ending;
      EXPECT_TRUE(sink->close().ok());
      EXPECT_EQ(write(*sink, {0.5F}).error().code, ErrorCode::kInvalidState);
    }
    std::filesystem::remove(path);
    EXPECT_TRUE(folder.is_empty()) << ending;
  }
}

TEST(EncodedSinkTest, UnfinishedFileLeavesNothing) {
  for (const auto& [ending, format] : kFormats) {
    const TempFolder folder;
    ASSERT_TRUE(write(*open(folder.file("a." + ending)), glide()).ok());
    EXPECT_TRUE(folder.is_empty()) << ending;
  }
}

TEST(EncodedSinkTest, FullDiskLeavesNothing) {
  for (const auto& [ending, format] : kFormats) {
    const TempFolder folder;
    const FileSizeLimit limit(1000);
    const auto sink = open(folder.file("a." + ending));
    Status status = write(*sink, glide());
    status = status.ok() ? sink->close() : status;
    ASSERT_FALSE(status.ok()) << ending;
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_NE(status.error().message.find("a." + ending + "': File too large"), std::string::npos)
        << status.error().message;
    EXPECT_TRUE(folder.is_empty()) << ending;
    EXPECT_FALSE(sink->close().ok()) << ending;
  }
}

TEST(EncodedSinkTest, NotANumberIsAnErrorThatStays) {
  const TempFolder folder;
  const auto sink = open(folder.file("a.flac"));
  ASSERT_TRUE(write(*sink, glide()).ok());
  ASSERT_FALSE(write(*sink, {0.5F, std::nanf("")}).ok());
  EXPECT_EQ(sink->close().error().code, ErrorCode::kExecution);
  EXPECT_TRUE(folder.is_empty());
}

TEST(EncodedSinkTest, DeviceIsRefused) {
  const TempFolder folder;
  std::filesystem::create_symlink("/dev/null", folder.file("null.mp3"));
  const Status status = write(*open(folder.file("null.mp3")), {0.5F});
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("not a regular file"), std::string::npos) << status.error().message;
}

/// What a stream got, and how much of it after each chunk.
struct Stream {
  std::string bytes;
  std::vector<size_t> sizes;
};

Stream stream(const std::vector<float>& samples, AudioFormat format) {
  Stream got;
  const auto append = [&](const void* bytes, size_t size) {
    got.bytes.append(static_cast<const char*>(bytes), size);
    return Status();
  };
  const auto sink = EncodedSink::to_stream(append, kRate, format);
  EXPECT_TRUE(sink.ok());
  EXPECT_EQ(got.bytes, "");
  for (size_t first = 0; first < samples.size(); first += kChunk) {
    EXPECT_TRUE((*sink)->write(samples.data() + first, kChunk).ok());
    got.sizes.push_back(got.bytes.size());
  }
  EXPECT_TRUE((*sink)->close().ok());
  return got;
}

TEST(EncodedSinkTest, StreamPlaysWithoutGoingBack) {
  const TempFolder folder;
  std::vector<float> samples = glide();
  samples.resize(samples.size() / kChunk * kChunk);
  for (const auto& [name, format] : kNames) {
    const Stream got = stream(samples, format);
    testing::write_bytes(folder.file(name), got.bytes);
    const Sound sound = read_sound(folder.file(name));
    EXPECT_EQ(sound.info.format & (SF_FORMAT_TYPEMASK | SF_FORMAT_SUBMASK), kFormats.at(name)) << name;
    EXPECT_GE(sound.samples.size(), samples.size()) << name;
    EXPECT_LT(sound.samples.size(), samples.size() + 3000) << name;  // MP3 does not say where the last frame ends.
    EXPECT_GT(likeness(samples, sound.samples), 0.98) << name;
  }
}

TEST(EncodedSinkTest, StreamGoesOnWhileItIsWritten) {
  const std::vector<float> samples = glide();
  const std::map<std::string, size_t> chunks_held = {{"wav", 0}, {"opus", 1}, {"mp3", 1}, {"flac", 3}};
  for (const auto& [name, held] : chunks_held) {
    const Stream got = stream(samples, kNames.at(name));
    EXPECT_GT(got.sizes[0], 0U) << name;
    for (size_t i = 0; i + 1 + held < got.sizes.size(); ++i) {
      EXPECT_LT(got.sizes[i], got.sizes[i + 1 + held]) << name << " after chunk " << i;
    }
  }
}

TEST(EncodedSinkTest, StreamedWavIsOfUnknownLength) {
  const Stream got = stream(glide(), AudioFormat::kWav);
  EXPECT_EQ(got.bytes.size(), 44 + 2 * glide().size());
  EXPECT_EQ(got.bytes.substr(4, 4), "\xFF\xFF\xFF\xFF");
  EXPECT_EQ(got.bytes.substr(40, 4), "\xFF\xFF\xFF\xFF");
}

TEST(EncodedSinkTest, ErrorOfAStreamEndsIt) {
  for (const auto& [name, format] : kNames) {
    int num_calls = 0;
    const auto append = [&](const void*, size_t) { return ++num_calls < 3 ? Status() : Error{ErrorCode::kIo, "gone"}; };
    const auto sink = EncodedSink::to_stream(append, kRate, format);
    Status status;
    for (int i = 0; i < 30 && status.ok(); ++i) {
      status = write(**sink, glide());
    }
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().message, "gone");
    EXPECT_EQ((*sink)->close().error().message, "gone");
    EXPECT_EQ(num_calls, 3) << name;
  }
}

TEST(EncodedSinkTest, DroppedStreamGetsNothingMore) {
  for (const auto& [name, format] : kNames) {
    size_t num_bytes = 0;
    auto sink =
        EncodedSink::to_stream([&](const void*, size_t size) { return num_bytes += size, Status(); }, kRate, format);
    ASSERT_TRUE(write(**sink, glide()).ok());
    const size_t before = num_bytes;
    sink->reset();
    EXPECT_EQ(num_bytes, before) << name;
  }
}

}  // namespace
}  // namespace qwen3_tts
