#pragma once

#include <cstdint>
#include <string>

#include <qwen3_tts/result.h>

#include "base/file_descriptor.h"

namespace qwen3_tts {

/// The bytes of a sound file, to be read at any place. Those of a pipe are kept in memory, up to 256 MiB.
class ByteSource {
 public:
  /// A file or a pipe; "-" is standard input. kIo when it cannot be read, kInvalidArgument when it is empty or too
  /// large.
  static Result<ByteSource> open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string name() const;  ///< What an error calls it: "'ann.wav'" or "standard input".
  int64_t size() const { return size_; }

  /// Copies up to `count` bytes from `position` on, fewer at the end; how many there were.
  int64_t read(int64_t position, void* data, int64_t count) const;
  std::string bytes(int64_t position, int64_t count) const;

  /// What read() gives at `position` from now on. The file stays as it is.
  void replace(int64_t position, std::string bytes);

  /// kIo when a read() failed: it gave nothing, as at the end.
  Status check() const;

 private:
  explicit ByteSource(std::string path) : path_(std::move(path)) {}
  Status read_whole(int descriptor);

  std::string path_;
  FileDescriptor file_;  ///< Of a regular file.
  std::string content_;  ///< Of anything else.
  int64_t size_ = 0;
  int64_t replaced_at_ = 0;
  std::string replacement_;
  mutable int failure_ = 0;  ///< errno of a read.
};

/// A place in the bytes from `begin` on, for libraries that read and seek.
class ByteCursor {
 public:
  ByteCursor(const ByteSource& source, int64_t begin) : source_(source), begin_(begin) {}

  int64_t size() const { return source_.size() - begin_; }
  int64_t position() const { return position_; }
  int64_t read(void* data, int64_t count);
  /// As lseek() does: the new position, or -1 when it would be none.
  int64_t seek(int64_t offset, int whence);

 private:
  const ByteSource& source_;
  int64_t begin_;
  int64_t position_ = 0;
};

}  // namespace qwen3_tts
