#include <qwen3_tts/audio_sink.h>

#include <fcntl.h>
#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr int64_t kBlockSamples = 4096;

// Both size fields of a WAV header are 32 bits; what stands before the samples takes 36 of the outer one.
constexpr int64_t kMaxWavSamples = (int64_t{std::numeric_limits<uint32_t>::max()} - 36) / int64_t{sizeof(int16_t)};

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
                                            " of this delivery is not a number: the codec decoder is broken" +
                                            kReexport};
  }
  return {};
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
  SNDFILE* file = nullptr;  ///< Owns the file descriptor.
  int64_t num_samples = 0;  ///< Written so far.
  bool is_closed = false;

  Status create();
  Status write_blocks(const float* samples, int64_t count);
  void remove();
  Error write_error() const;
};

/// Opens the file and writes the header of an empty one.
Status WavSink::State::create() {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) {
    return io_error("create", path, errno);
  }
  if (::lseek(descriptor, 0, SEEK_CUR) < 0) {
    ::close(descriptor);
    return Error{ErrorCode::kIo, "cannot write '" + path +
                                     "': a WAV header is updated in place, which a pipe does not allow; write raw "
                                     "samples (--stdout, PcmSink)"};
  }
  SF_INFO info{};
  info.samplerate = static_cast<int>(sample_rate);
  info.channels = 1;
  info.format = SF_FORMAT_WAV | SF_FORMAT_PCM_16;
  file = sf_open_fd(descriptor, SFM_WRITE, &info, SF_TRUE);
  if (file == nullptr) {
    remove();
    return Error{ErrorCode::kIo, "cannot create '" + path + "': " + sf_strerror(nullptr)};
  }
  sf_command(file, SFC_SET_UPDATE_HEADER_AUTO, nullptr, SF_TRUE);
  return {};
}

/// A file that never held a sample is no output. Devices stay.
void WavSink::State::remove() {
  if (file != nullptr) {
    sf_close(std::exchange(file, nullptr));
  }
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    std::filesystem::remove(path, error);
  }
}

/// libsndfile keeps the operating system's reason for itself, but leaves errno as it was set.
Error WavSink::State::write_error() const {
  return errno != 0 ? io_error("write", path, errno)
                    : Error{ErrorCode::kIo, "cannot write '" + path + "': " + sf_strerror(file)};
}

Status WavSink::State::write_blocks(const float* samples, int64_t count) {
  return for_each_int16_block(samples, count, [this](const int16_t* block, int64_t size) -> Status {
    errno = 0;
    if (sf_write_short(file, block, size) != size || sf_error(file) != SF_ERR_NO_ERROR) {
      return write_error();
    }
    num_samples += size;
    return {};
  });
}

WavSink::WavSink(std::string path, int64_t sample_rate) : state_(std::make_unique<State>()) {
  state_->path = std::move(path);
  state_->sample_rate = sample_rate;
}

WavSink::~WavSink() {
  if (state_->file != nullptr) {
    sf_close(state_->file);
  }
}

Status WavSink::write(const float* samples, int64_t num_samples) {
  if (state_->is_closed) {
    return Error{ErrorCode::kInvalidState, "'" + state_->path + "' is closed; make another WavSink"};
  }
  if (num_samples > kMaxWavSamples - state_->num_samples) {
    return Error{ErrorCode::kIo,
                 "cannot write '" + state_->path +
                     "': a WAV file ends at 4 GiB; write raw samples (--stdout, PcmSink) or several files"};
  }
  RETURN_IF_ERROR(check_not_nan(samples, num_samples));
  if (state_->file == nullptr) {
    RETURN_IF_ERROR(state_->create());
  }
  Status status = state_->write_blocks(samples, num_samples);
  if (!status.ok() && state_->num_samples == 0) {
    state_->remove();
  }
  return status;
}

Status WavSink::close() {
  if (state_->is_closed) {
    return {};
  }
  if (state_->file == nullptr) {
    RETURN_IF_ERROR(state_->create());
  }
  state_->is_closed = true;
  // The header is right already; what close can still report is a late failure of the file system.
  const int failure = sf_close(std::exchange(state_->file, nullptr));
  if (failure != SF_ERR_NO_ERROR) {
    return Error{ErrorCode::kIo, "cannot write '" + state_->path + "': " + sf_error_number(failure)};
  }
  return {};
}

PcmSink::PcmSink(int file_descriptor, PcmFormat format) : file_descriptor_(file_descriptor), format_(format) {}

Status PcmSink::write(const float* samples, int64_t num_samples) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are written as they lie in memory");
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
