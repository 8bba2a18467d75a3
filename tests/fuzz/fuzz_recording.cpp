// Sound files: what is made of a recording, whole and in parts. The checksums of OGG's pages are put right, so that
// what is behind them is looked for.

#include <qwen3_tts/read_recording.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <vector>

#include "fuzzing.h"

namespace qwen3_tts {
namespace {

using testing::require;

constexpr int64_t kSampleRate = 24000;
constexpr size_t kMostSamples = size_t{600} * kSampleRate + 1;  // Of ten minutes.

size_t number_at(const std::string& bytes, size_t place) { return static_cast<unsigned char>(bytes[place]); }

/// Of RFC 3533, 6.
uint32_t checksum(std::string_view page) {
  uint32_t sum = 0;
  for (const char byte : page) {
    sum ^= static_cast<uint32_t>(static_cast<unsigned char>(byte)) << 24;
    for (int bit = 0; bit < 8; ++bit) {
      sum = sum << 1 ^ (sum >> 31 != 0 ? 0x04C11DB7U : 0U);
    }
  }
  return sum;
}

std::string with_right_checksums(std::string bytes) {
  constexpr size_t kHeaderBytes = 27;
  constexpr size_t kChecksum = 22;
  for (size_t begin = bytes.find("OggS"); begin < bytes.size(); begin = bytes.find("OggS", begin)) {
    size_t end = begin + kHeaderBytes;
    const size_t num_sizes = end <= bytes.size() ? number_at(bytes, end - 1) : bytes.size();
    if (end + num_sizes > bytes.size()) {
      break;
    }
    for (size_t i = 0; i < num_sizes; ++i) {
      end += number_at(bytes, begin + kHeaderBytes + i);
    }
    end = std::min(end + num_sizes, bytes.size());
    bytes.replace(begin + kChecksum, 4, 4, '\0');
    const uint32_t sum = checksum(std::string_view(bytes).substr(begin, end - begin));
    for (size_t i = 0; i < 4; ++i) {
      bytes[begin + kChecksum + i] = static_cast<char>(sum >> (8 * i) & 0xFF);
    }
    begin = end;
  }
  return bytes;
}

/// What is read, or nothing, checked.
std::vector<float> samples_of(const std::string& path, const RecordingOptions& options) {
  const auto recording = read_recording(path, kSampleRate, options);
  if (!recording.ok()) {
    testing::require_error(recording.error(), {ErrorCode::kInvalidArgument, ErrorCode::kIo});
    return {};
  }
  const std::vector<float>& samples = recording->samples;
  require(!samples.empty() && samples.size() <= kMostSamples, "there is sound, and no more than may be");
  require(std::all_of(samples.begin(), samples.end(), [](float sample) { return std::isfinite(sample); }),
          "samples are numbers");
  for (const std::string& note : recording->notes) {
    testing::require_utf8(note);
  }
  return recording->samples;
}

}  // namespace
}  // namespace qwen3_tts

/// As in test_recording.cpp.
extern "C" const char* __lsan_default_suppressions() {  // NOLINT(bugprone-reserved-identifier): LeakSanitizer's name
  return "leak:vorbis_info_init\n";
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qwen3_tts;
  const std::string bytes = with_right_checksums(std::string(testing::text_of(data, size)));
  const testing::BytesAsFile file(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  const std::vector<float> whole = samples_of(file.path(), {});
  if (whole.empty()) {
    return 0;
  }
  RecordingOptions part;
  part.channel = RecordingChannel::kLeft;
  part.start_s = static_cast<double>(whole.size()) / (2 * kSampleRate);
  part.allow_clipping = true;
  part.trim_silence = true;
  testing::require(samples_of(file.path(), part).size() <= whole.size(), "a part is not longer than the whole");
  part.start_s = 0;
  part.duration_s = 0.01;
  part.channel = RecordingChannel::kRight;
  static_cast<void>(samples_of(file.path(), part));
  return 0;
}
