#include <qwen3_tts/audio_sink.h>

#include <fcntl.h>
#include <sndfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "file_size_limit.h"
#include "temp_folder.h"

namespace qwen3_tts {
namespace {

using testing::FileSizeLimit;
using testing::read_bytes;
using testing::TempFolder;

struct Wav {
  SF_INFO info{};
  std::vector<int16_t> samples;
};

/// What libsndfile reads from a file; empty when it is no WAV file.
Wav read_wav(const std::string& path) {
  Wav wav;
  SNDFILE* file = sf_open(path.c_str(), SFM_READ, &wav.info);
  if (file != nullptr) {
    wav.samples.resize(static_cast<size_t>(wav.info.frames));
    sf_read_short(file, wav.samples.data(), wav.info.frames);
    sf_close(file);
  }
  return wav;
}

Status write(AudioSink& sink, const std::vector<float>& samples) {
  return sink.write(samples.data(), static_cast<int64_t>(samples.size()));
}

std::vector<int16_t> as_int16(const std::string& bytes) {
  std::vector<int16_t> values(bytes.size() / sizeof(int16_t));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(int16_t));
  return values;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const std::vector<float> kEdges = {0.0f, 1.0f, -1.0f, 1.5f, -7.0f, 0.25f, 1e-5f, -0.00002f, kInfinity, -kInfinity};
const std::vector<int16_t> kEdgesAsInt16 = {0, 32767, -32767, 32767, -32767, 8192, 0, -1, 32767, -32767};

TEST(WavSinkTest, RoundsAndClips) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  ASSERT_TRUE(write(sink, kEdges).ok());
  ASSERT_TRUE(sink.close().ok());
  const Wav wav = read_wav(folder.file("a.wav"));
  EXPECT_EQ(wav.info.samplerate, 24000);
  EXPECT_EQ(wav.info.channels, 1);
  EXPECT_EQ(wav.info.format, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  EXPECT_EQ(wav.samples, kEdgesAsInt16);
}

TEST(WavSinkTest, HeaderIsRightAfterEveryWrite) {
  TempFolder folder;
  const std::string path = folder.file("a.wav");
  WavSink sink(path, 24000);
  size_t total = 0;
  for (const size_t count : std::vector<size_t>{1920, 1, 10000, 4096, 0}) {
    ASSERT_TRUE(write(sink, std::vector<float>(count, 0.5f)).ok());
    total += count;
    EXPECT_EQ(read_wav(path).samples, std::vector<int16_t>(total, 16384));
    EXPECT_EQ(read_bytes(path).size(), 44 + 2 * total);
  }
  EXPECT_TRUE(sink.close().ok());
  EXPECT_EQ(read_wav(path).samples.size(), total);
}

TEST(WavSinkTest, ChunksGiveTheSameBytesAsOneWrite) {
  TempFolder folder;
  std::vector<float> samples(9000);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = std::sin(static_cast<float>(i));
  }
  WavSink whole(folder.file("whole.wav"), 24000);
  WavSink pieces(folder.file("pieces.wav"), 24000);
  ASSERT_TRUE(write(whole, samples).ok());
  for (int64_t first = 0; first < 9000; first += 1000) {
    ASSERT_TRUE(pieces.write(samples.data() + first, 1000).ok());
  }
  ASSERT_TRUE(whole.close().ok());
  ASSERT_TRUE(pieces.close().ok());
  EXPECT_EQ(read_bytes(folder.file("whole.wav")), read_bytes(folder.file("pieces.wav")));
}

TEST(WavSinkTest, FileAppearsWithTheFirstWrite) {
  TempFolder folder;
  {
    WavSink sink(folder.file("a.wav"), 24000);
  }
  EXPECT_TRUE(folder.is_empty());
}

TEST(WavSinkTest, EmptyUtteranceIsAnEmptyFile) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  ASSERT_TRUE(sink.close().ok());
  EXPECT_EQ(read_wav(folder.file("a.wav")).info.samplerate, 24000);
  EXPECT_EQ(read_bytes(folder.file("a.wav")).size(), 44u);
  EXPECT_TRUE(sink.close().ok());
}

TEST(WavSinkTest, DroppedSinkLeavesAPlayableFile) {
  TempFolder folder;
  {
    WavSink sink(folder.file("a.wav"), 24000);
    ASSERT_TRUE(write(sink, {0.5f, 0.5f}).ok());
  }
  EXPECT_EQ(read_wav(folder.file("a.wav")).samples.size(), 2u);
}

TEST(WavSinkTest, ReplacesAnOldFile) {
  TempFolder folder;
  testing::write_bytes(folder.file("a.wav"), std::string(100000, 'x'));
  WavSink sink(folder.file("a.wav"), 24000);
  ASSERT_TRUE(write(sink, {0.5f}).ok());
  ASSERT_TRUE(sink.close().ok());
  EXPECT_EQ(read_bytes(folder.file("a.wav")).size(), 46u);
}

TEST(WavSinkTest, NotANumberIsAnErrorAndWritesNothing) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  const Status status = write(sink, {0.0f, 0.0f, std::nanf("")});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kExecution);
  EXPECT_NE(status.error().message.find("sample 2"), std::string::npos) << status.error().message;
  EXPECT_TRUE(folder.is_empty());
}

TEST(WavSinkTest, UnwritablePathNamesPathAndReason) {
  WavSink sink("/does/not/exist/a.wav", 24000);
  const Status status = write(sink, {0.0f});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("/does/not/exist/a.wav"), std::string::npos);
  EXPECT_NE(status.error().message.find("No such file or directory"), std::string::npos) << status.error().message;
}

TEST(WavSinkTest, RefusesMoreThanTheFormatHolds) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  const float sample = 0.0f;
  const Status status = sink.write(&sample, int64_t{1} << 31);  // refused before anything is read
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("4 GiB"), std::string::npos) << status.error().message;
  EXPECT_TRUE(folder.is_empty());
}

TEST(WavSinkTest, WriteAfterCloseIsAnError) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  ASSERT_TRUE(sink.close().ok());
  const Status status = write(sink, {0.0f});
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidState);
}

TEST(WavSinkTest, FullDiskIsAnError) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  ASSERT_TRUE(write(sink, std::vector<float>(1000, 0.5f)).ok());
  Status status;
  {
    FileSizeLimit limit(20000);
    status = write(sink, std::vector<float>(20000, 0.5f));
  }
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_EQ(read_wav(folder.file("a.wav")).samples.size(), (20000U - 44) / 2);  // What fitted stays.
  EXPECT_NE(status.error().message.find("a.wav"), std::string::npos) << status.error().message;
}

TEST(WavSinkTest, DiskWithoutRoomForASampleHasNoFile) {
  TempFolder folder;
  WavSink sink(folder.file("a.wav"), 24000);
  {
    FileSizeLimit limit(50);
    ASSERT_FALSE(write(sink, std::vector<float>(1000, 0.5f)).ok());
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("a.wav")));
}

TEST(WavSinkTest, FullDeviceIsAnError) {
  WavSink sink("/dev/full", 24000);
  const Status status = write(sink, std::vector<float>(1000, 0.5f));
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("/dev/full"), std::string::npos) << status.error().message;
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos) << status.error().message;
}

TEST(WavSinkTest, PipeIsRefused) {
  TempFolder folder;
  const std::string path = folder.file("fifo");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const int reader = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  WavSink sink(path, 24000);
  const Status status = write(sink, {0.5f});
  ::close(reader);
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.error().message.find("pipe"), std::string::npos) << status.error().message;
}

/// Both ends of a pipe.
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  int reader() const { return ends_[0]; }
  int writer() const { return ends_[1]; }
  void close_reader() { close(ends_[0]); }
  void close_writer() { close(ends_[1]); }
  /// Everything until the writer closes.
  std::string drain() const {
    std::string bytes;
    char buffer[1000];
    for (ssize_t count; (count = ::read(reader(), buffer, sizeof(buffer))) > 0;) {
      bytes.append(buffer, static_cast<size_t>(count));
    }
    return bytes;
  }

 private:
  static void close(int& end) {
    if (end >= 0) {
      ::close(end);
      end = -1;
    }
  }
  int ends_[2] = {-1, -1};
};

TEST(PcmSinkTest, WritesSixteenBits) {
  Pipe pipe;
  PcmSink sink(pipe.writer(), PcmFormat::kS16le);
  ASSERT_TRUE(write(sink, kEdges).ok());
  ASSERT_TRUE(sink.close().ok());
  ASSERT_TRUE(write(sink, {0.5f}).ok()) << "the descriptor stays open";
  pipe.close_writer();
  std::vector<int16_t> expected = kEdgesAsInt16;
  expected.push_back(16384);
  EXPECT_EQ(as_int16(pipe.drain()), expected);
}

TEST(PcmSinkTest, WritesFloatsAsTheyAre) {
  Pipe pipe;
  PcmSink sink(pipe.writer(), PcmFormat::kF32le);
  const std::vector<float> samples = {0.1f, -1.25f, 3e-9f};
  ASSERT_TRUE(write(sink, samples).ok());
  pipe.close_writer();
  EXPECT_EQ(pipe.drain(), std::string(reinterpret_cast<const char*>(samples.data()), 12));
}

/// A pipe holds 64 KiB: a larger write comes in parts, whether the descriptor blocks or not.
void expect_large_write_arrives(int flags) {
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.writer(), F_SETFL, flags), 0);
  std::string received;
  std::thread reader([&] { received = pipe.drain(); });
  std::vector<float> samples(200000);
  for (size_t i = 0; i < samples.size(); ++i) {
    samples[i] = static_cast<float>(i);
  }
  PcmSink sink(pipe.writer(), PcmFormat::kF32le);
  EXPECT_TRUE(write(sink, samples).ok());
  pipe.close_writer();
  reader.join();
  EXPECT_EQ(received, std::string(reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(float)));
}

TEST(PcmSinkTest, LargeWriteArrivesWhole) {
  expect_large_write_arrives(0);
  expect_large_write_arrives(O_NONBLOCK);
}

TEST(PcmSinkTest, GoneReaderIsAnError) {
  const auto handler = std::signal(SIGPIPE, SIG_IGN);
  Pipe pipe;
  pipe.close_reader();
  PcmSink sink(pipe.writer(), PcmFormat::kS16le);
  const Status status = write(sink, {0.5f});
  std::signal(SIGPIPE, handler);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("Broken pipe"), std::string::npos) << status.error().message;
}

TEST(PcmSinkTest, NotANumberIsAnError) {
  Pipe pipe;
  for (const PcmFormat format : {PcmFormat::kS16le, PcmFormat::kF32le}) {
    PcmSink sink(pipe.writer(), format);
    EXPECT_FALSE(write(sink, {std::nanf("")}).ok());
  }
  pipe.close_writer();
  EXPECT_EQ(pipe.drain(), "");
}

/// What a pipe got of `samples`.
std::string streamed_wav(const std::vector<float>& samples) {
  Pipe pipe;
  WavStreamSink sink(pipe.writer(), 24000);
  EXPECT_TRUE(samples.empty() || write(sink, samples).ok());
  EXPECT_TRUE(sink.close().ok());
  pipe.close_writer();
  return pipe.drain();
}

TEST(WavStreamSinkTest, IsAWavFileOfUnknownLength) {
  TempFolder folder;
  const std::string bytes = streamed_wav(kEdges);
  EXPECT_EQ(bytes.substr(4, 4), "\xFF\xFF\xFF\xFF");
  EXPECT_EQ(bytes.substr(40, 4), "\xFF\xFF\xFF\xFF");
  testing::write_bytes(folder.file("a.wav"), bytes);
  const Wav wav = read_wav(folder.file("a.wav"));
  EXPECT_EQ(wav.info.samplerate, 24000);
  EXPECT_EQ(wav.info.format, SF_FORMAT_WAV | SF_FORMAT_PCM_16);
  EXPECT_EQ(wav.samples, kEdgesAsInt16);
}

TEST(WavStreamSinkTest, EmptyUtteranceIsAHeader) { EXPECT_EQ(streamed_wav({}), streamed_wav(kEdges).substr(0, 44)); }

TEST(WavStreamSinkTest, HeaderIsOnceAndTheFirst) {
  Pipe pipe;
  WavStreamSink sink(pipe.writer(), 24000);
  for (const float sample : kEdges) {
    ASSERT_TRUE(write(sink, {sample}).ok());
  }
  pipe.close_writer();
  EXPECT_EQ(pipe.drain(), streamed_wav(kEdges));
}

}  // namespace
}  // namespace qwen3_tts
