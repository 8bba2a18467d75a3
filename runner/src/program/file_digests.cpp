#include "program/file_digests.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr uint64_t kBlockBytes = uint64_t{1} << 20;
constexpr uint64_t kWindowBytes = 16 * kBlockBytes;  // that are mapped at a time
constexpr std::array<char, 8> kMagic = {'Q', '3', 'T', 'T', 'S', 'X', 'X', '1'};

/// The last bytes of the file.
struct Footer {
  uint64_t size;
  uint64_t digest;  // of the digests
  std::array<char, 8> magic;
};
static_assert(sizeof(Footer) == 24 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "read as it lies in the file");

Error damaged(const std::string& path, const std::string& what) {
  return Error{ErrorCode::kInvalidModel, "'" + path + "' is damaged: " + what + "; copy or export it again"};
}

#ifdef __APPLE__
#define QWEN3_TTS_STAT_TIME(info, kind) (info).st_##kind##timespec
#else
#define QWEN3_TTS_STAT_TIME(info, kind) (info).st_##kind##tim
#endif

FileIdentity identity_of(const struct stat& info) {
  const timespec written = QWEN3_TTS_STAT_TIME(info, m);
  const timespec changed = QWEN3_TTS_STAT_TIME(info, c);
  return {static_cast<int64_t>(info.st_dev),
          static_cast<int64_t>(info.st_ino),
          info.st_size,
          written.tv_sec,
          written.tv_nsec,
          changed.tv_sec,
          changed.tv_nsec};
}

uint64_t num_blocks(uint64_t size) { return size / kBlockBytes + (size % kBlockBytes == 0 ? 0 : 1); }

}  // namespace

Result<std::optional<FileDigests>> FileDigests::read(const std::string& path) {
  // O_NONBLOCK: a pipe must not wait for its writer.
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info{};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0) {
    return io_error("open", path, errno);
  }
  const auto file_size = static_cast<uint64_t>(info.st_size);
  Footer footer{};
  if (!S_ISREG(info.st_mode) || file_size < sizeof(footer)) {
    return std::optional<FileDigests>();
  }
  const uint64_t end = file_size - sizeof(footer);
  RETURN_IF_ERROR(read_at(file.get(), &footer, sizeof(footer), end, path));
  if (footer.magic != kMagic) {
    return std::optional<FileDigests>();
  }
  if (footer.size > end || num_blocks(footer.size) * sizeof(uint64_t) != end - footer.size) {
    return damaged(path, "its digests are of another size");
  }
  FileDigests digests(path, std::move(file), identity_of(info));
  digests.size_ = footer.size;
  digests.digests_.resize(num_blocks(footer.size));
  const size_t num_bytes = digests.digests_.size() * sizeof(uint64_t);
  RETURN_IF_ERROR(digests.read_bytes(digests.digests_.data(), num_bytes, footer.size));
  if (XXH3_64bits_withSeed(digests.digests_.data(), num_bytes, footer.size) != footer.digest) {
    return damaged(path, "its digests are not those that were exported");
  }
  return std::optional<FileDigests>(std::move(digests));
}

Status FileDigests::read_bytes(void* data, size_t size, uint64_t offset) const {
  return read_at(file_.get(), data, size, offset, path_);
}

/// The blocks that begin in [begin, end), a window of the file. Mapped and not read: copying takes three times as long.
Status FileDigests::check_window(uint64_t begin, uint64_t end) const {
  const auto size = static_cast<size_t>(end - begin);
  void* const data = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file_.get(), static_cast<off_t>(begin));
  if (data == MAP_FAILED) {
    return io_error("map", path_, errno);
  }
  ::madvise(data, size, MADV_SEQUENTIAL);
  Status status;
  for (uint64_t block = begin; block < end && status.ok(); block += kBlockBytes) {
    const uint64_t count = std::min(kBlockBytes, end - block);
    if (XXH3_64bits(static_cast<const char*>(data) + (block - begin), count) != digests_[block / kBlockBytes]) {
      status = damaged(path_, "its bytes " + std::to_string(block) + " to " + std::to_string(block + count - 1) +
                                  " are not what was exported");
    }
  }
  ::munmap(data, size);
  return status;
}

Status FileDigests::check(uint64_t end) const {
  const uint64_t last = std::min(num_blocks(std::min(end, size_)) * kBlockBytes, size_);
  for (uint64_t begin = 0; begin < last; begin += kWindowBytes) {
    RETURN_IF_ERROR(check_window(begin, std::min(begin + kWindowBytes, last)));
  }
  return {};
}

}  // namespace qwen3_tts
