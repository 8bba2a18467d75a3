#include "recording/byte_source.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/io_error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr char kStandardInput[] = "-";
constexpr size_t kMaxPipeBytes = size_t{256} << 20;  // Ten minutes of 48 kHz stereo in 32 bits are 220 MiB.

/// read(), whatever interrupts it; waits for the writer of a pipe that does not block.
ssize_t read_some(int descriptor, void* data, size_t size) {
  while (true) {
    const ssize_t count = ::read(descriptor, data, size);
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      pollfd ready{descriptor, POLLIN, 0};
      ::poll(&ready, 1, -1);
    } else if (count >= 0 || errno != EINTR) {
      return count;
    }
  }
}

}  // namespace

Result<ByteSource> ByteSource::open(const std::string& path) {
  ByteSource source(path);
  const bool is_standard_input = path == kStandardInput;
  // O_NONBLOCK: a pipe that nobody writes to is refused below, not waited for.
  FileDescriptor file(is_standard_input ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                        : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return io_error("open", path, errno);
  }
  const bool is_pipe = S_ISFIFO(info.st_mode) || S_ISSOCK(info.st_mode);
  if (!S_ISREG(info.st_mode) && !is_pipe) {
    return Error{ErrorCode::kIo, "cannot read " + source.name() + ": it is not a regular file or a pipe; " +
                                     (is_standard_input ? "send a sound file to it: < ann.wav" : "name a sound file")};
  }
  if (S_ISREG(info.st_mode) && !is_standard_input) {
    source.file_ = std::move(file);
    source.size_ = info.st_size;
  } else {
    RETURN_IF_ERROR(source.read_whole(file.get()));
  }
  if (source.size_ == 0 && is_pipe && !is_standard_input) {
    return Error{ErrorCode::kIo, "cannot read " + source.name() + ": nobody writes to this pipe; start that first"};
  }
  if (source.size_ == 0) {
    return invalid_argument(source.name() + " is empty; name a sound file");
  }
  return source;
}

std::string ByteSource::name() const { return path_ == kStandardInput ? "standard input" : "'" + path_ + "'"; }

Status ByteSource::read_whole(int descriptor) {
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t count = read_some(descriptor, buffer.data(), buffer.size());
    if (count < 0) {
      return io_error("read", path_, errno);
    }
    if (count == 0) {
      size_ = static_cast<int64_t>(content_.size());
      return {};
    }
    content_.append(buffer.data(), static_cast<size_t>(count));
    if (content_.size() > kMaxPipeBytes) {
      return invalid_argument(name() + " gives more than " + std::to_string(kMaxPipeBytes >> 20) +
                              " MiB; cut out some seconds of clear speech, or name a file");
    }
  }
}

int64_t ByteSource::read(int64_t position, void* data, int64_t count) const {
  count = std::clamp<int64_t>(size_ - position, 0, std::max<int64_t>(count, 0));
  char* const bytes = static_cast<char*>(data);
  if (file_.get() < 0) {
    std::copy_n(content_.data() + position, count, bytes);
  }
  for (int64_t done = 0; file_.get() >= 0 && done < count;) {
    const ssize_t got = ::pread(file_.get(), bytes + done, static_cast<size_t>(count - done), position + done);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    failure_ = got < 0 ? errno : failure_;
    if (got <= 0) {  // Also where somebody shortens the file.
      count = done;
    }
    done += got;
  }
  for (size_t i = 0; i < replacement_.size(); ++i) {
    const int64_t place = replaced_at_ + static_cast<int64_t>(i) - position;
    if (place >= 0 && place < count) {
      bytes[place] = replacement_[i];
    }
  }
  return count;
}

std::string ByteSource::bytes(int64_t position, int64_t count) const {
  std::string bytes(static_cast<size_t>(std::clamp<int64_t>(size_ - position, 0, count)), '\0');
  bytes.resize(static_cast<size_t>(read(position, bytes.data(), static_cast<int64_t>(bytes.size()))));
  return bytes;
}

void ByteSource::replace(int64_t position, std::string bytes) {
  replaced_at_ = position;
  replacement_ = std::move(bytes);
}

Status ByteSource::check() const { return failure_ == 0 ? Status() : io_error("read", path_, failure_); }

int64_t ByteCursor::read(void* data, int64_t count) {
  const int64_t got = source_.read(begin_ + position_, data, count);
  position_ += got;
  return got;
}

int64_t ByteCursor::seek(int64_t offset, int whence) {
  int64_t from = 0;
  if (whence != SEEK_SET) {
    from = whence == SEEK_CUR ? position_ : size();
  }
  // A header may state any distance.
  if (offset < -from || offset > std::numeric_limits<int64_t>::max() - begin_ - from) {
    return -1;
  }
  return position_ = from + offset;
}

}  // namespace qwen3_tts
