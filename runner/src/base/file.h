#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <qwen3_tts/result.h>

#include "base/file_descriptor.h"
#include "base/io_error.h"

namespace qwen3_tts {

/// The whole content of the file (or pipe) at `path`. Refuses what cannot be a voice or a codes file by its size.
Result<std::string> read_file(const std::string& path);

/// A file that is written beside its place and takes it when it is complete; what stood there until then is replaced. A
/// link stays: its place is where it leads.
/// One that is not committed leaves nothing behind, also when the process is killed: where the file system can do that
/// (Linux has O_TMPFILE), the file has no name until it is complete.
class NewFile {
 public:
  static Result<NewFile> create(const std::string& path);
  ~NewFile();
  NewFile(NewFile&& other) noexcept
      : path_(std::move(other.path_)),
        place_(std::move(other.place_)),
        temporary_(std::exchange(other.temporary_, {})),
        has_name_(std::exchange(other.has_name_, false)),
        descriptor_(std::move(other.descriptor_)) {}
  NewFile& operator=(NewFile&&) = delete;

  Status write(const void* data, size_t size);
  Status write_at(size_t offset, const void* data, size_t size);
  /// Stores the bytes and renames the file into place. Once; the descriptor stays open for reading it.
  Result<FileDescriptor> commit();

 private:
  NewFile() = default;

  std::string path_;   ///< As it was given.
  std::string place_;  ///< Where that is.
  std::string temporary_;  ///< Its name for a moment, or until it is complete.
  bool has_name_ = false;
  FileDescriptor descriptor_;
};

/// Writes `content` beside `path` and renames it into place: readers see the old file or the new one, never a part.
Status write_file(const std::string& path, std::string_view content);

/// Writes all of `size` bytes to a file descriptor; `name` is how an error calls it.
Status write_all(int file_descriptor, const void* data, size_t size, const std::string& name);

/// Reads all of `size` bytes at `offset` of a file; one that ends before is a kIo error. `name` is how it is called.
Status read_at(int file_descriptor, void* data, size_t size, size_t offset, const std::string& name);

/// How many bytes could be written at `offset` of a file; when fewer than `size`, errno says why.
size_t write_at(int file_descriptor, const void* data, size_t size, size_t offset);

}  // namespace qwen3_tts
