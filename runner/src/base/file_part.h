#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <sys/stat.h>

#include <qwen3_tts/result.h>

#include "base/file_descriptor.h"

namespace qwen3_tts {

/// Memory that stands for bytes of a file, to read alone.
class FileBytes {
 public:
  FileBytes(void* mapping, size_t mapped_bytes, size_t skipped_bytes)
      : mapping_(mapping), mapped_bytes_(mapped_bytes), skipped_bytes_(skipped_bytes) {}
  ~FileBytes();
  FileBytes(FileBytes&& other) noexcept
      : mapping_(std::exchange(other.mapping_, nullptr)),
        mapped_bytes_(other.mapped_bytes_),
        skipped_bytes_(other.skipped_bytes_) {}
  FileBytes& operator=(FileBytes&&) = delete;

  const std::byte* data() const { return static_cast<const std::byte*>(mapping_) + skipped_bytes_; }
  size_t size() const { return mapped_bytes_ - skipped_bytes_; }
  /// What madvise() takes: whole pages from the one with the first byte on.
  void* mapping() const { return mapping_; }
  size_t mapped_bytes() const { return mapped_bytes_; }

 private:
  void* mapping_;
  size_t mapped_bytes_;
  size_t skipped_bytes_;  ///< Before the first one: a mapping begins with a page.
};

/// Bytes of a file that are read as a file of their own: all of it, or a part of one that holds more. Offsets are those
/// of the part.
class FilePart {
 public:
  /// All of the file at `path`; a pipe does not wait for its writer. kIo.
  static Result<FilePart> open(const std::string& path);
  /// `length` bytes at `offset` of what `descriptor` has open, all that follow when it is 0. The descriptor stays the
  /// caller's, who may close it. kInvalidArgument when it is not open, is of no regular file, or has not these bytes.
  static Result<FilePart> of_descriptor(int descriptor, uint64_t offset, uint64_t length);

  /// How errors call it.
  const std::string& name() const { return name_; }
  uint64_t begin() const { return begin_; }  ///< In the file.
  uint64_t size() const { return size_; }
  const struct stat& info() const { return info_; }
  bool is_regular() const { return S_ISREG(info_.st_mode); }

  /// kIo, also where the part ends before.
  Status read(void* data, size_t size, uint64_t offset) const;
  /// Its pages are the file's, wherever the part begins. kIo.
  Result<FileBytes> map(uint64_t offset, size_t size) const;
  /// All of it in memory that belongs to no file. kOutOfMemory or kIo.
  Result<FileBytes> copy() const;

 private:
  FilePart(std::string name, FileDescriptor file, const struct stat& info)
      : name_(std::move(name)), file_(std::move(file)), info_(info), size_(static_cast<uint64_t>(info.st_size)) {}

  std::string name_;
  FileDescriptor file_;
  struct stat info_;
  uint64_t begin_ = 0;
  uint64_t size_;
};

}  // namespace qwen3_tts
