#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

// A voice or codes file of 90 hours of speech; more is another kind of file.
constexpr size_t kMaxFileBytes = size_t{256} << 20;

/// What a link leads to; any other path, and a link to nothing, as it is.
std::string end_of_links(const std::string& path) {
  std::error_code error;
  const std::filesystem::path place = std::filesystem::canonical(path, error);
  return error ? path : place.string();
}

std::string descriptor_path(int file_descriptor) { return "/proc/self/fd/" + std::to_string(file_descriptor); }

/// A file without a name that can get one beside `place`; none where the system or the file system has no such thing.
FileDescriptor open_nameless(const std::string& place) {
#ifdef O_TMPFILE
  const std::string folder = std::filesystem::path(place).parent_path().string();
  FileDescriptor file(::open(folder.empty() ? "." : folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
  if (file.get() >= 0 && ::access(descriptor_path(file.get()).c_str(), F_OK) == 0) {
    return file;
  }
#else
  static_cast<void>(place);
#endif
  return FileDescriptor();
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    return io_error("open", path, errno);
  }
  std::string content;
  std::array<char, 1 << 16> buffer;
  while (true) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return io_error("read", path, errno);
    }
    if (count == 0) {
      return content;
    }
    content.append(buffer.data(), static_cast<size_t>(count));
    if (content.size() > kMaxFileBytes) {
      return invalid_argument("'" + path + "' is larger than " + std::to_string(kMaxFileBytes >> 20) +
                              " MiB; it is not a file of this kind");
    }
  }
}

Result<NewFile> NewFile::create(const std::string& path) {
  struct stat existing{};
  if (::stat(path.c_str(), &existing) == 0 && !S_ISREG(existing.st_mode)) {
    // Renaming over a device or a pipe would replace it.
    return Error{ErrorCode::kIo, "cannot write '" + path + "': it exists and is not a regular file"};
  }
  static std::atomic<unsigned> counter{0};
  NewFile file;
  file.path_ = path;
  file.place_ = end_of_links(path);
  file.temporary_ = file.place_ + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(counter++);
  file.descriptor_ = open_nameless(file.place_);
  if (file.descriptor_.get() >= 0) {
    return file;
  }
  // O_EXCL: never write through a link or into another process's temporary file.
  file.descriptor_ = FileDescriptor(::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (file.descriptor_.get() < 0) {
    return io_error("create", path, errno);
  }
  file.has_name_ = true;
  return file;
}

NewFile::~NewFile() {
  if (has_name_) {
    ::unlink(temporary_.c_str());
  }
}

Status NewFile::write(const void* data, size_t size) { return write_all(descriptor_.get(), data, size, path_); }

Status NewFile::write_at(size_t offset, const void* data, size_t size) {
  const size_t num_written = qwen3_tts::write_at(descriptor_.get(), data, size, offset);
  return num_written == size ? Status() : io_error("write", path_, errno);
}

Result<FileDescriptor> NewFile::commit() {
  // What fsync accepted can no longer be lost by closing.
  if (::fsync(descriptor_.get()) != 0) {
    return io_error("write", path_, errno);
  }
  if (!has_name_) {
    const std::string source = descriptor_path(descriptor_.get());
    if (::linkat(AT_FDCWD, source.c_str(), AT_FDCWD, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      return io_error("write", path_, errno);
    }
    has_name_ = true;
    // Whoever maps the first descriptor would be told to have mapped a file without a name.
    if (FileDescriptor named(::open(temporary_.c_str(), O_RDWR | O_CLOEXEC)); named.get() >= 0) {
      descriptor_ = std::move(named);
    }
  }
  if (std::rename(temporary_.c_str(), place_.c_str()) != 0) {
    return io_error("write", path_, errno);
  }
  has_name_ = false;
  return std::move(descriptor_);
}

Status write_file(const std::string& path, std::string_view content) {
  ASSIGN_OR_RETURN(NewFile file, NewFile::create(path));
  RETURN_IF_ERROR(file.write(content.data(), content.size()));
  RETURN_IF_ERROR(file.commit());
  return {};
}

Status write_all(int file_descriptor, const void* data, size_t size, const std::string& name) {
  const char* cursor = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t count = ::write(file_descriptor, cursor, size);
    if (count >= 0) {
      cursor += count;
      size -= static_cast<size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // A non-blocking pipe that is full: wait for its reader.
      pollfd ready{file_descriptor, POLLOUT, 0};
      ::poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return io_error("write", name, errno);
    }
  }
  return {};
}

Status read_at(int file_descriptor, void* data, size_t size, size_t offset, const std::string& name) {
  size_t num_done = 0;
  while (num_done < size) {
    const ssize_t count = ::pread(file_descriptor, static_cast<std::byte*>(data) + num_done, size - num_done,
                                  static_cast<off_t>(offset + num_done));
    if (count == 0 || (count < 0 && errno != EINTR)) {
      return io_error("read", name, count < 0 ? errno : EIO);
    }
    num_done += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return {};
}

size_t write_at(int file_descriptor, const void* data, size_t size, size_t offset) {
  size_t num_done = 0;
  while (num_done < size) {
    const ssize_t count = ::pwrite(file_descriptor, static_cast<const std::byte*>(data) + num_done, size - num_done,
                                   static_cast<off_t>(offset + num_done));
    if (count < 0 && errno != EINTR) {
      break;
    }
    num_done += static_cast<size_t>(std::max<ssize_t>(count, 0));
  }
  return num_done;
}

}  // namespace qwen3_tts
