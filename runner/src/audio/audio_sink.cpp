#include <qwen3_tts/audio_sink.h>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kBlockSamples = 4096;

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples and headers are written as they lie in memory");

/// What stands before the samples of a 16-bit mono WAV file.
struct WavHeader {
  static constexpr int64_t kSampleSize = sizeof(int16_t);
  static constexpr int64_t kSizeOfRest = 36;  ///< Of the header behind riff_size.

  char riff[4] = {'R', 'I', 'F', 'F'};
  uint32_t riff_size;
  char wave[4] = {'W', 'A', 'V', 'E'};
  char format[4] = {'f', 'm', 't', ' '};
  uint32_t format_size = 16;
  uint16_t encoding = 1;  ///< PCM.
  uint16_t num_channels = 1;
  uint32_t sample_rate;
  uint32_t bytes_per_second;
  uint16_t sample_size = kSampleSize;
  uint16_t bits_per_sample = 8 * kSampleSize;
  char data[4] = {'d', 'a', 't', 'a'};
  uint32_t data_size;

  WavHeader(int64_t rate, int64_t num_samples)
      : riff_size(static_cast<uint32_t>(kSizeOfRest + num_samples * kSampleSize)),
        sample_rate(static_cast<uint32_t>(rate)),
        bytes_per_second(static_cast<uint32_t>(rate * kSampleSize)),
        data_size(static_cast<uint32_t>(num_samples * kSampleSize)) {}
};
static_assert(sizeof(WavHeader) == 44);

constexpr int64_t kMaxWavSamples =
    (int64_t{std::numeric_limits<uint32_t>::max()} - WavHeader::kSizeOfRest) / WavHeader::kSampleSize;

/// The 16-bit sample nearest to `sample`, which is clipped to [-1, 1]. Must not be NaN.
int16_t to_int16(float sample) {
  constexpr float kFullScale = 32767.0f;
  return static_cast<int16_t>(std::lrint(std::clamp(sample, -1.0f, 1.0f) * kFullScale));
}

Status check_not_nan(const float* samples, int64_t num_samples) {
  const float* end = samples + num_samples;
  const float* nan = std::find_if(samples, end, [](float sample) { return std::isnan(sample); });
  if (nan != end) {
    return Error{ErrorCode::kExecution, "sample " + std::to_string(nan - samples) +
                                            " of this delivery is not a number: the codec decoder is broken; "
                                            "re-export with export_unified.py"};
  }
  return {};
}

/// How many bytes could be written at `offset`; when fewer than `size`, errno says why.
size_t write_at(const FileDescriptor& file, const void* data, size_t size, size_t offset) {
  size_t num_done = 0;
  while (num_done < size) {
    const ssize_t count = ::pwrite(file.get(), static_cast<const std::byte*>(data) + num_done, size - num_done,
                                   static_cast<off_t>(offset + num_done));
    if (count < 0 && errno != EINTR) {
      break;
    }
    num_done += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return num_done;
}

/// Calls `take(const int16_t*, int64_t)` with the samples as 16 bits, a block at a time, until one fails.
template <typename Take>
Status for_each_int16_block(const float* samples, int64_t num_samples, const Take& take) {
  std::array<int16_t, kBlockSamples> block;
  for (int64_t first = 0; first < num_samples; first += kBlockSamples) {
    const int64_t count = std::min(kBlockSamples, num_samples - first);
    std::transform(samples + first, samples + first + count, block.begin(), to_int16);
    RETURN_IF_ERROR(take(block.data(), count));
  }
  return {};
}

}  // namespace

struct WavSink::State {
  std::string path;
  int64_t sample_rate = 0;
  FileDescriptor file;      ///< None before the first write and after close().
  int64_t num_samples = 0;  ///< Of whole blocks.
  bool is_closed = false;

  bool is_open() const { return file.get() >= 0; }
  Status create();
  Status write_header(int64_t count) const;
  Status write_block(const int16_t* block, int64_t count);
  void remove();
};

/// Opens the file and writes the header of an empty one.
Status WavSink::State::create() {
  file = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!is_open()) {
    return io_error("create", path, errno);
  }
  if (::lseek(file.get(), 0, SEEK_CUR) < 0) {
    file = FileDescriptor();
    return Error{ErrorCode::kIo, "cannot write '" + path +
                                     "': a WAV header is updated in place, which a pipe does not allow; send raw "
                                     "samples there instead"};
  }
  Status status = write_header(0);
  if (!status.ok()) {
    remove();
  }
  return status;
}

Status WavSink::State::write_header(int64_t count) const {
  const WavHeader header(sample_rate, count);
  return write_at(file, &header, sizeof(header), 0) == sizeof(header) ? Status() : io_error("write", path, errno);
}

Status WavSink::State::write_block(const int16_t* block, int64_t count) {
  const size_t end = sizeof(WavHeader) + static_cast<size_t>(num_samples) * sizeof(int16_t);
  const size_t size = static_cast<size_t>(count) * sizeof(int16_t);
  const size_t num_written = write_at(file, block, size, end);
  if (num_written < size) {
    Error error = io_error("write", path, errno);
    static_cast<void>(write_header(num_samples + static_cast<int64_t>(num_written / sizeof(int16_t))));
    return error;
  }
  num_samples += count;
  return write_header(num_samples);
}

/// A file that never held a block is no output. Devices stay.
void WavSink::State::remove() {
  file = FileDescriptor();
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    std::filesystem::remove(path, error);
  }
}

WavSink::WavSink(std::string path, int64_t sample_rate) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
  state_->sample_rate = sample_rate;
}

WavSink::~WavSink() = default;

Status WavSink::write(const float* samples, int64_t num_samples) {
  if (state_->is_closed) {
    return Error{ErrorCode::kInvalidState, "'" + state_->path + "' is closed; make another WavSink"};
  }
  if (num_samples > kMaxWavSamples - state_->num_samples) {
    return Error{ErrorCode::kIo, "cannot write '" + state_->path +
                                     "': a WAV file ends at 4 GiB; write raw samples instead, or several files"};
  }
  RETURN_IF_ERROR(check_not_nan(samples, num_samples));
  if (!state_->is_open()) {
    RETURN_IF_ERROR(state_->create());
  }
  Status status = for_each_int16_block(
      samples, num_samples, [this](const int16_t* block, int64_t count) { return state_->write_block(block, count); });
  if (!status.ok() && state_->num_samples == 0) {
    state_->remove();
  }
  return status;
}

Status WavSink::close() {
  if (state_->is_closed) {
    return {};
  }
  if (!state_->is_open()) {
    RETURN_IF_ERROR(state_->create());
  }
  state_->is_closed = true;
  // The header is right already; what closing can still report is a late failure of the file system.
  return ::close(state_->file.release()) == 0 ? Status() : io_error("write", state_->path, errno);
}

PcmSink::PcmSink(int file_descriptor, PcmFormat format) : file_descriptor_(file_descriptor), format_(format) {}

Status PcmSink::write(const float* samples, int64_t num_samples) {
  const std::string name = file_descriptor_ == STDOUT_FILENO ? std::string("standard output")
                                                             : "file descriptor " + std::to_string(file_descriptor_);
  RETURN_IF_ERROR(check_not_nan(samples, num_samples));
  if (format_ == PcmFormat::kF32le) {
    return write_all(file_descriptor_, samples, static_cast<size_t>(num_samples) * sizeof(float), name);
  }
  return for_each_int16_block(samples, num_samples, [&](const int16_t* block, int64_t size) {
    return write_all(file_descriptor_, block, static_cast<size_t>(size) * sizeof(int16_t), name);
  });
}

Status PcmSink::close() { return {}; }

}  // namespace qwen3_tts
