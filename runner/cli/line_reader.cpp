#include "line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/io_error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr size_t kMaxBytes = size_t{256} << 20;  // Of a file, or of a line of a pipe.
// A signal need not interrupt poll(): the system may hand it to another thread.
constexpr int kWaitMs = 200;

Error too_large(const std::string& what) {
  return invalid_argument(what + " is larger than " + std::to_string(kMaxBytes >> 20) + " MiB; write one text a line");
}

}  // namespace

Result<LineReader> LineReader::open(const std::string& path, std::function<bool()> is_stopped) {
  LineReader reader;
  const bool is_stdin = path == "-";
  reader.name_ = is_stdin ? "standard input" : path;
  // Opening a pipe would wait for its writer, and no signal could end that.
  reader.file_ = FileDescriptor(is_stdin ? ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)
                                         : ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (reader.file_.get() < 0 || ::fstat(reader.file_.get(), &status) != 0) {
    return io_error("open", reader.name_, errno);
  }
  reader.is_stopped_ = std::move(is_stopped);
  reader.is_whole_ = S_ISREG(status.st_mode);
  if (reader.is_whole_ && static_cast<size_t>(status.st_size) > kMaxBytes) {
    return too_large("'" + reader.name_ + "'");
  }
  return reader;
}

Result<std::optional<std::string>> LineReader::next() {
  while (true) {
    const size_t end = buffer_.find('\n', searched_);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(begin_, end - begin_);
      begin_ = searched_ = end + 1;
      return std::optional<std::string>(std::move(line));
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched_ = buffer_.size();
    ASSIGN_OR_RETURN(const bool has_more, fill());
    if (!has_more) {
      return buffer_.empty() ? std::optional<std::string>() : std::optional<std::string>(std::exchange(buffer_, {}));
    }
  }
}

Result<std::optional<std::string>> LineReader::next_bytes() {
  ASSIGN_OR_RETURN(const bool has_more, fill());
  return has_more ? std::optional<std::string>(std::exchange(buffer_, {})) : std::nullopt;
}

Result<bool> LineReader::fill() {
  std::array<char, 1 << 16> bytes;
  while (!is_stopped_()) {
    pollfd ready{file_.get(), POLLIN, 0};
    if (::poll(&ready, 1, kWaitMs) <= 0) {
      continue;
    }
    const ssize_t count = ::read(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR && errno != EAGAIN) {
      return io_error("read", name_, errno);
    }
    if (count == 0) {
      return false;
    }
    if (count > 0) {
      buffer_.append(bytes.data(), static_cast<size_t>(count));
      return buffer_.size() <= kMaxBytes ? Result<bool>(true) : Result<bool>(too_large("a line of '" + name_ + "'"));
    }
  }
  buffer_.clear();  // Who stops it does not want the half of a line.
  return false;
}

}  // namespace qwen3_tts
