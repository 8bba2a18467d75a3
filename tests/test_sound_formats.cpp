// What read_recording() takes of the files that people bring: whole, cut off, streamed, chained, with tags, and of
// formats that nothing here reads.

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <qwen3_tts/read_recording.h>

#include "sound_files.h"
#include "temp_folder.h"
#include "test_models.h"

namespace qwen3_tts {
namespace {

using namespace std::string_literals;

using testing::must;
using testing::read_bytes;
using testing::sine;
using testing::write_bytes;
using testing::write_sound;

constexpr int64_t kRate = 24000;
constexpr int kMp3 = SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III;

class SoundFormatsTest : public ::testing::Test {
 protected:
  const testing::TempFolder folder_;
  const std::string path_ = folder_.file("a sound");

  /// The bytes of `seconds` of a sine in a format of libsndfile.
  std::string made(int format, double seconds, int64_t rate = kRate,
                   int bitrate_mode = SF_BITRATE_MODE_VARIABLE) const {
    write_sound(path_, sine(440, seconds, rate), rate, format, 1, bitrate_mode);
    return read_bytes(path_);
  }

  Result<Recording> read(const std::string& bytes, double duration_s = 0) const {
    write_bytes(path_, bytes);
    RecordingOptions options;
    if (duration_s > 0) {
      options.duration_s = duration_s;
    }
    return read_recording(path_, kRate, options);
  }

  /// Codecs begin and end with some padding.
  void expect_seconds(const std::string& bytes, double seconds, const std::string& what) const {
    const auto recording = read(bytes);
    ASSERT_TRUE(recording.ok()) << what << ": " << recording.error().message;
    EXPECT_NEAR(static_cast<double>(recording->samples.size()) / kRate, seconds, 0.15) << what;
    EXPECT_TRUE(recording->notes.empty()) << what << ": " << recording->notes.front();
  }

  void expect_refused(const std::string& bytes, const std::vector<std::string>& words) const {
    const auto recording = read(bytes);
    ASSERT_FALSE(recording.ok()) << words.front();
    for (const std::string& word : words) {
      EXPECT_NE(recording.error().message.find(word), std::string::npos) << word << ": " << recording.error().message;
    }
  }
};

/// An MP3 without its first frame, which holds an Info or Xing header.
std::string without_info(const std::string& mp3) {
  EXPECT_NE(mp3.substr(0, 64).find(mp3.find("Info") < 64 ? "Info" : "Xing"), std::string::npos);
  return mp3.substr(mp3.find(mp3.substr(0, 2), 4));
}

/// `bytes` in the place of those that follow the first `name`.
std::string with_size(std::string content, const std::string& name, const std::string& bytes) {
  return content.replace(content.find(name) + name.size(), bytes.size(), bytes);
}

std::string id3_tag(size_t size) {
  const auto digit = [size](int place) { return static_cast<char>(size >> (7 * place) & 0x7F); };
  return "ID3\x04\0\0"s + digit(3) + digit(2) + digit(1) + digit(0) + std::string(size, '\0');
}

TEST_F(SoundFormatsTest, ReadsAnMp3ThatStatesNoLength) {
  for (const int64_t rate : {16000, 22050, 44100, 48000}) {
    for (const int mode : {SF_BITRATE_MODE_CONSTANT, SF_BITRATE_MODE_VARIABLE}) {
      const std::string whole = made(kMp3, 3, rate, mode);
      const bool has_info = whole.find("Info") < 64 || whole.find("Xing") < 64;
      expect_seconds(has_info ? without_info(whole) : whole, 3, std::to_string(rate));
    }
  }
}

TEST_F(SoundFormatsTest, TakesWhatIsThereOfAnMp3ThatStatesNoLength) {
  const std::string mp3 = without_info(made(kMp3, 10, 44100, SF_BITRATE_MODE_CONSTANT));
  expect_seconds(mp3.substr(0, mp3.size() / 2), 5, "half");
}

TEST_F(SoundFormatsTest, RefusesWhatIsCutOffInEveryFormatAlike) {
  for (const int format :
       {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, SF_FORMAT_RF64 | SF_FORMAT_PCM_24,
        SF_FORMAT_W64 | SF_FORMAT_PCM_16, SF_FORMAT_AIFF | SF_FORMAT_PCM_16, SF_FORMAT_CAF | SF_FORMAT_PCM_16,
        SF_FORMAT_AU | SF_FORMAT_ULAW, SF_FORMAT_FLAC | SF_FORMAT_PCM_16, kMp3}) {
    const std::string whole = made(format, 10);
    expect_seconds(whole, 10, std::to_string(format));
    expect_refused(whole.substr(0, whole.size() / 2),
                   {"'" + path_ + "' is damaged or cut off: its header states 10.0", " are there", "take a part"});
    const auto part = read(whole.substr(0, whole.size() / 2), 2);
    ASSERT_TRUE(part.ok()) << part.error().message;
    EXPECT_EQ(part->samples.size(), 2U * kRate);
  }
}

TEST_F(SoundFormatsTest, SaysThatAnOggHasNoEnd) {
  for (const int codec : {SF_FORMAT_VORBIS, SF_FORMAT_OPUS}) {
    const std::string whole = made(SF_FORMAT_OGG | codec, 20);
    expect_seconds(whole, 20, "whole");
    const Recording half = must(read(whole.substr(0, whole.size() / 2)));
    EXPECT_NEAR(static_cast<double>(half.samples.size()) / kRate, 9, 3);
    ASSERT_EQ(half.notes.size(), 1U);
    EXPECT_NE(half.notes[0].find("may be cut off"), std::string::npos) << half.notes[0];
    EXPECT_TRUE(must(read(whole.substr(0, whole.size() / 2), 2)).notes.empty());  // The end is not part of this.
  }
}

TEST_F(SoundFormatsTest, ReadsWhatWasWrittenToAPipe) {
  const std::string wav = made(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2);
  for (const std::string& size : {"\xFF\xFF\xFF\xFF"s, "\0\0\0\0"s, "\0\xF0\xFF\x7F"s, "\0\0\0\x80"s}) {
    expect_seconds(with_size(with_size(wav, "RIFF", size), "data", size), 2, "both");
    expect_seconds(with_size(wav, "data", size), 2, "the sound's");
  }
  expect_seconds(with_size(with_size(wav, "RIFF", "\x24\0\0\0"s), "data", "\0\0\0\0"s), 2, "an empty file's");
  const std::string au = made(SF_FORMAT_AU | SF_FORMAT_PCM_16, 2);
  expect_seconds(au.substr(0, 8) + "\xFF\xFF\xFF\xFF" + au.substr(12), 2, "AU");
  expect_seconds(with_size(made(SF_FORMAT_CAF | SF_FORMAT_PCM_16, 2), "data", std::string(8, '\xFF')), 2, "CAF");
  expect_seconds(with_size(made(SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 2), "SSND", "\0\0\0\0"s), 2, "AIFF");
  const std::string smallest = "\x80"s + std::string(7, '\0');
  expect_seconds(with_size(made(SF_FORMAT_CAF | SF_FORMAT_PCM_16, 2), "data", smallest), 2, "CAF, of a wrong sign");
  std::string flac = made(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 2);
  flac[21] = static_cast<char>(flac[21] & 0xF0);  // 36 bits of STREAMINFO
  expect_seconds(flac.replace(22, 4, 4, '\0'), 2, "FLAC");
}

TEST_F(SoundFormatsTest, TakesASizeThatIsALittleTooLarge) {
  const std::string wav = made(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2);
  expect_seconds(wav.substr(0, wav.size() - 44), 2, "the header counted, too");
}

TEST_F(SoundFormatsTest, KeepsAnEmptyWavEmpty) {
  const std::string wav = made(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 0);
  expect_refused(wav, {"no samples"});
  expect_refused(with_size(wav, "RIFF", "\x30\0\0\0"s) + "LIST\4\0\0\0INFO"s, {"no samples"});
}

TEST_F(SoundFormatsTest, SkipsWhatStandsBesideTheSound) {
  const std::string tag_behind = "APETAGEX" + std::string(3000, 'a') + "TAG" + std::string(125, 'b');
  for (const std::string& mp3 : {made(kMp3, 3), without_info(made(kMp3, 3))}) {
    expect_seconds(id3_tag(300000) + mp3, 3, "tag");
    expect_seconds(id3_tag(50) + id3_tag(5000) + std::string(4000, '\0') + mp3, 3, "two tags and padding");
    expect_seconds(std::string(20000, '\xFB') + "\xFF\xFB junk" + mp3, 3, "junk");
    expect_seconds(mp3 + tag_behind, 3, "tag behind");
    std::string hole = mp3;
    expect_seconds(hole.replace(mp3.size() / 2, 50, 50, '\0'), 3, "hole");
  }
  expect_seconds(id3_tag(50) + made(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 2), 2, "FLAC");
  expect_seconds(id3_tag(50) + made(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 2), 2, "WAV");
}

/// Silence with the noise of a converter looks like MPEG audio of a free format: FF FF 00 00.
TEST_F(SoundFormatsTest, TakesNoSilenceForMp3) {
  std::vector<float> samples = sine(440, 3, kRate);
  for (size_t i = 0; i < static_cast<size_t>(kRate); ++i) {
    samples[i] = i * i % 7 < 3 ? -1.0F / 32768 : 0.0F;
  }
  for (const int format : {SF_FORMAT_NIST, SF_FORMAT_VOC, SF_FORMAT_IRCAM, SF_FORMAT_PAF, SF_FORMAT_WAV}) {
    write_sound(path_, samples, kRate, format | SF_FORMAT_PCM_16);
    expect_seconds(read_bytes(path_), 3, std::to_string(format));
  }
}

TEST_F(SoundFormatsTest, ReadsAWavOfMp3) {
  const std::string mp3 = made(kMp3, 3, 44100);
  const std::string form = "\x55\0\1\0\x44\xAC\0\0\x80\x3E\0\0\1\0\0\0\x0C\0\1\0\2\0\0\0\xA1\1\1\0\0\0"s;
  const std::string size = "\xFF\xFF\xFF\xFF";
  expect_seconds("RIFF" + size + "WAVEfmt \x1E\0\0\0"s + form + "data" + size + mp3, 3, "WAV");
}

TEST_F(SoundFormatsTest, ReadsEveryLinkOfAChain) {
  for (const int codec : {SF_FORMAT_VORBIS, SF_FORMAT_OPUS}) {
    const std::string link = made(SF_FORMAT_OGG | codec, 2);
    expect_seconds(link + link + link, 6, "three links");
  }
  const std::string link = made(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 2);
  expect_refused(link + made(SF_FORMAT_OGG | SF_FORMAT_VORBIS, 2, 16000), {"sample rate", "change", "ffmpeg"});
  const std::string mp3 = without_info(made(kMp3, 2, 44100));
  expect_seconds(mp3 + mp3, 4, "MP3");
  expect_refused(mp3 + without_info(made(kMp3, 2, 48000)), {"sample rate", "change", "ffmpeg"});
}

TEST_F(SoundFormatsTest, NamesTheFormatsThatItDoesNotRead) {
  const struct {
    std::string begin;
    const char* name;
  } formats[] = {
      {"\0\0\0\x20"s + "ftypM4A ", "MPEG-4"},      {"\xFF\xF1\x50\x80", "AAC"}, {"\x1A\x45\xDF\xA3", "WebM"},
      {"\x30\x26\xB2\x75\x8E\x66\xCF\x11", "WMA"}, {"#!AMR\n", "AMR"},          {"\2#!SILK_V3", "SILK"},
  };
  for (const auto& format : formats) {
    expect_refused(format.begin + std::string(5000, '\0'),
                   {format.name, "ffmpeg -i '" + path_ + "' '" + path_ + ".wav'"});
  }
  expect_refused("<!DOCTYPE html><html></html>", {"web page"});
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", {"git lfs pull"});
}

TEST_F(SoundFormatsTest, NamesACommandThatAShellTakes) {
  const std::string path = folder_.file("Ann's talk.wav");
  write_bytes(path, "RIFF no sound");
  const std::string message = read_recording(path, kRate, {}).error().message;
  EXPECT_NE(message.find("Ann'\\''s talk.wav' '"), std::string::npos) << message;
  EXPECT_NE(message.find("Ann'\\''s talk_converted.wav'"), std::string::npos) << message;
}

/// libmpg123 tells its mind on standard error unless it is kept from it.
TEST_F(SoundFormatsTest, SaysNothingByItself) {
  const std::string whole = made(kMp3, 0.5, 44100);
  const std::string other = without_info(made(kMp3, 0.5, 16000));
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  size_t num_refused = 0;
  for (const std::string& bytes : {whole, whole + other, whole + whole, whole.substr(0, whole.size() / 2),
                                   whole.substr(0, 500), id3_tag(100) + "junk" + whole + "junk"}) {
    num_refused += read(bytes).ok() ? 0 : 1;
  }
  for (size_t position = 0; position < whole.size(); position += 83) {
    std::string damaged = whole;
    damaged[position] = static_cast<char>(damaged[position] ^ '\x5a');
    num_refused += read(damaged).ok() ? 0 : 1;
  }
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_GE(num_refused, 3U);
}

}  // namespace
}  // namespace qwen3_tts
