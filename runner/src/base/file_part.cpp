#include "base/file_part.h"

#include <cerrno>
#include <limits>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/io_error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

uint64_t page_bytes() { return static_cast<uint64_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

FileBytes::~FileBytes() {
  if (mapping_ != nullptr) {
    ::munmap(mapping_, mapped_bytes_);
  }
}

Result<FilePart> FilePart::open(const std::string& path) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return io_error("open", path, errno);
  }
  return FilePart(path, std::move(file), info);
}

Result<FilePart> FilePart::of_descriptor(int descriptor, uint64_t offset, uint64_t length) {
  const std::string name = "file descriptor " + std::to_string(descriptor);
  FileDescriptor file(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return invalid_argument(name + " cannot be used: " + std::generic_category().message(errno) +
                            "; give one that is open for reading");
  }
  if (!S_ISREG(info.st_mode)) {
    return invalid_argument(name + " is of no regular file; give one that can be mapped, or a path");
  }
  const auto available = static_cast<uint64_t>(info.st_size);
  if (offset >= available || length > available - offset) {
    return invalid_argument(name + " has " + std::to_string(available) + " bytes, and not " + std::to_string(length) +
                            " at offset " + std::to_string(offset) + "; give offset and length of the model in it");
  }
  FilePart part(name + " from byte " + std::to_string(offset), std::move(file), info);
  part.begin_ = offset;
  part.size_ = length == 0 ? available - offset : length;
  return part;
}

Status FilePart::read(void* data, size_t size, uint64_t offset) const {
  if (offset > size_ || size > size_ - offset) {
    return io_error("read", name_, EIO);
  }
  return read_at(file_.get(), data, size, static_cast<size_t>(begin_ + offset), name_);
}

Result<FileBytes> FilePart::map(uint64_t offset, size_t size) const {
  const uint64_t begin = begin_ + offset;
  const uint64_t skipped = begin % page_bytes();
  const size_t mapped = size + static_cast<size_t>(skipped);
  void* const mapping =
      ::mmap(nullptr, mapped, PROT_READ, MAP_SHARED, file_.get(), static_cast<off_t>(begin - skipped));
  if (mapping == MAP_FAILED) {
    return io_error("map", name_, errno);
  }
  return FileBytes(mapping, mapped, static_cast<size_t>(skipped));
}

Result<FileBytes> FilePart::copy() const {
  if (size_ > std::numeric_limits<size_t>::max()) {
    return io_error("read", name_, EFBIG);
  }
  const auto size = static_cast<size_t>(size_);
  void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return Error{ErrorCode::kOutOfMemory, "'" + name_ + "': there is not enough memory for a copy of its " +
                                              std::to_string(size) + " bytes" + remedy_of(ENOMEM)};
  }
  FileBytes bytes(memory, size, 0);
  RETURN_IF_ERROR(read(memory, size, 0));
  return bytes;
}

}  // namespace qwen3_tts
