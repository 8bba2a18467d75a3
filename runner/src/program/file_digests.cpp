#include "program/file_digests.h"

#include <algorithm>
#include <string>
#include <utility>

#include <sys/mman.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/error.h"
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

FileIdentity identity_of(const FilePart& file) {
  const struct stat& info = file.info();
  const timespec written = QWEN3_TTS_STAT_TIME(info, m);
  const timespec changed = QWEN3_TTS_STAT_TIME(info, c);
  return {static_cast<int64_t>(info.st_dev),
          static_cast<int64_t>(info.st_ino),
          info.st_size,
          written.tv_sec,
          written.tv_nsec,
          changed.tv_sec,
          changed.tv_nsec,
          static_cast<int64_t>(file.begin()),
          static_cast<int64_t>(file.size())};
}

uint64_t num_blocks(uint64_t size) { return size / kBlockBytes + (size % kBlockBytes == 0 ? 0 : 1); }

}  // namespace

Result<std::optional<FileDigests>> FileDigests::read(const ModelSource& source) {
  ASSIGN_OR_RETURN(const auto file, source.open());
  Footer footer{};
  if (!file->is_regular() || file->size() < sizeof(footer)) {
    return std::optional<FileDigests>();
  }
  const uint64_t end = file->size() - sizeof(footer);
  RETURN_IF_ERROR(file->read(&footer, sizeof(footer), end));
  if (footer.magic != kMagic) {
    return std::optional<FileDigests>();
  }
  if (footer.size > end || num_blocks(footer.size) * sizeof(uint64_t) != end - footer.size) {
    return damaged(source.name(), "its digests are of another size");
  }
  FileDigests digests(file, identity_of(*file));
  digests.size_ = footer.size;
  digests.digests_.resize(num_blocks(footer.size));
  const size_t num_bytes = digests.digests_.size() * sizeof(uint64_t);
  RETURN_IF_ERROR(digests.read_bytes(digests.digests_.data(), num_bytes, footer.size));
  if (XXH3_64bits_withSeed(digests.digests_.data(), num_bytes, footer.size) != footer.digest) {
    return damaged(source.name(), "its digests are not those that were exported");
  }
  return std::optional<FileDigests>(std::move(digests));
}

Status FileDigests::read_bytes(void* data, size_t size, uint64_t offset) const {
  return file_->read(data, size, offset);
}

/// The blocks that begin in [begin, end), a window of the file. Mapped and not read: copying takes three times as long.
Status FileDigests::check_window(uint64_t begin, uint64_t end) const {
  const auto size = static_cast<size_t>(end - begin);
  ASSIGN_OR_RETURN(const FileBytes window, file_->map(begin, size));
  ::madvise(window.mapping(), window.mapped_bytes(), MADV_SEQUENTIAL);
  for (uint64_t block = begin; block < end; block += kBlockBytes) {
    const uint64_t count = std::min(kBlockBytes, end - block);
    if (XXH3_64bits(window.data() + (block - begin), count) != digests_[block / kBlockBytes]) {
      return damaged(file_->name(), "its bytes " + std::to_string(block) + " to " + std::to_string(block + count - 1) +
                                        " are not what was exported");
    }
  }
  return {};
}

Status FileDigests::check(uint64_t end) const {
  const uint64_t last = std::min(num_blocks(std::min(end, size_)) * kBlockBytes, size_);
  for (uint64_t begin = 0; begin < last; begin += kWindowBytes) {
    RETURN_IF_ERROR(check_window(begin, std::min(begin + kWindowBytes, last)));
  }
  return {};
}

}  // namespace qwen3_tts
