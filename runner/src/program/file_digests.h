#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <qwen3_tts/result.h>

#include "base/file_part.h"
#include "program/model_source.h"

namespace qwen3_tts {

/// Which part of which file, in which state: what stat() says of it. A file that was written to since then is another
/// one.
using FileIdentity = std::array<int64_t, 9>;

/// Digests of the bytes of a .pte or .ptd. They find what a disk, a copy or a download has damaged, not malice. They
/// stand behind what ExecuTorch reads, which takes its sizes from its own header:
///
///     `size` bytes for ExecuTorch | digests (8 each) | size (8) | digest of the digests (8) | magic "Q3TTSXX1"
///
/// Numbers are little-endian. A digest is XXH3 (64 bits) of a block of 1 MiB, the last one shorter; that of the digests
/// is seeded with the size. qwen3_tts/export/file_digests.py writes them.
class FileDigests {
 public:
  /// Those at the end of `source`; nothing when it has none, or is no regular file. kIo, or kInvalidModel when they are
  /// damaged themselves.
  static Result<std::optional<FileDigests>> read(const ModelSource& source);

  const FileIdentity& identity() const { return identity_; }
  uint64_t size() const { return size_; }

  /// Bytes of the file before `size()`. kIo.
  Status read_bytes(void* data, size_t size, uint64_t offset) const;

  /// kInvalidModel, naming the bytes, unless every block that begins before `end` is what was written. kIo.
  Status check(uint64_t end) const;

 private:
  FileDigests(std::shared_ptr<const FilePart> file, const FileIdentity& identity)
      : file_(std::move(file)), identity_(identity) {}
  Status check_window(uint64_t begin, uint64_t end) const;

  std::shared_ptr<const FilePart> file_;
  FileIdentity identity_;
  uint64_t size_ = 0;
  std::vector<uint64_t> digests_;  ///< Of the blocks.
};

}  // namespace qwen3_tts
