#include <qwen3_tts/audio_sink.h>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "audio/pcm.h"
#include "audio/wav_header.h"
#include "base/catching.h"
#include "base/error.h"
#include "base/file.h"
#include "base/file_descriptor.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

/// How an error calls a descriptor.
std::string descriptor_name(int file_descriptor) {
  return file_descriptor == STDOUT_FILENO ? std::string("standard output")
                                          : "file descriptor " + std::to_string(file_descriptor);
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
  return write_at(file.get(), &header, sizeof(header), 0) == sizeof(header) ? Status() : io_error("write", path, errno);
}

Status WavSink::State::write_block(const int16_t* block, int64_t count) {
  const size_t end = sizeof(WavHeader) + static_cast<size_t>(num_samples) * sizeof(int16_t);
  const size_t size = static_cast<size_t>(count) * sizeof(int16_t);
  const size_t num_written = write_at(file.get(), block, size, end);
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
  return catching([&]() -> Status {
    if (state_->is_closed) {
      return Error{ErrorCode::kInvalidState, "'" + state_->path + "' is closed; make another WavSink"};
    }
    if (num_samples > WavHeader::kMaxSamples - state_->num_samples) {
      return WavHeader::too_long(state_->path);
    }
    RETURN_IF_ERROR(check_not_nan(samples, num_samples));
    if (!state_->is_open()) {
      RETURN_IF_ERROR(state_->create());
    }
    Status status = for_each_int16_block(samples, num_samples, [this](const int16_t* block, int64_t count) {
      return state_->write_block(block, count);
    });
    if (!status.ok() && state_->num_samples == 0) {
      state_->remove();
    }
    return status;
  });
}

Status WavSink::close() {
  return catching([&]() -> Status {
    if (state_->is_closed) {
      return {};
    }
    if (!state_->is_open()) {
      RETURN_IF_ERROR(state_->create());
    }
    state_->is_closed = true;
    // The header is right already; what closing can still report is a late failure of the file system.
    return ::close(state_->file.release()) == 0 ? Status() : io_error("write", state_->path, errno);
  });
}

PcmSink::PcmSink(int file_descriptor, PcmFormat format) : file_descriptor_(file_descriptor), format_(format) {}

Status PcmSink::write(const float* samples, int64_t num_samples) {
  return catching([&]() -> Status {
    const std::string name = descriptor_name(file_descriptor_);
    RETURN_IF_ERROR(check_not_nan(samples, num_samples));
    if (format_ == PcmFormat::kF32le) {
      return write_all(file_descriptor_, samples, static_cast<size_t>(num_samples) * sizeof(float), name);
    }
    return for_each_int16_block(samples, num_samples, [&](const int16_t* block, int64_t size) {
      return write_all(file_descriptor_, block, static_cast<size_t>(size) * sizeof(int16_t), name);
    });
  });
}

Status PcmSink::close() { return {}; }

WavStreamSink::WavStreamSink(int file_descriptor, int64_t sample_rate)
    : file_descriptor_(file_descriptor), sample_rate_(sample_rate), samples_(file_descriptor, PcmFormat::kS16le) {}

Status WavStreamSink::write(const float* samples, int64_t num_samples) {
  return catching([&]() -> Status {
    RETURN_IF_ERROR(begin());
    return samples_.write(samples, num_samples);
  });
}

Status WavStreamSink::close() {
  return catching([&]() -> Status { return begin(); });
}

/// Before the first sample.
Status WavStreamSink::begin() {
  if (has_header_) {
    return {};
  }
  has_header_ = true;
  const WavHeader header = WavHeader::of_unknown_length(sample_rate_);
  return write_all(file_descriptor_, &header, sizeof(header), descriptor_name(file_descriptor_));
}

}  // namespace qwen3_tts
