#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <qwen3_tts/result.h>

#include "base/file.h"

namespace qwen3_tts {

/// Where an encoder's bytes go: to a file, in which it may go back, or to a stream, which drops what comes for a place
/// that it has passed. Remembers the first error.
class ByteOutput {
 public:
  using Append = std::function<Status(const void* bytes, size_t size)>;

  explicit ByteOutput(NewFile file) : file_(std::move(file)) {}
  explicit ByteOutput(Append append) : append_(std::move(append)) {}

  int64_t position() const { return position_; }
  int64_t size() const { return size_; }
  void seek(int64_t position) { position_ = position; }

  /// Nothing but the position changes after an error. The encoder need not know of it: libsndfile 1.2 frees less of a
  /// Vorbis file that it could not begin.
  void write(const void* bytes, int64_t size) {
    if (status_.ok() && size > 0) {
      status_ = put(bytes, static_cast<size_t>(size));
    }
    position_ += size;
    size_ = std::max(size_, position_);
  }

  /// What a stream has before the position 0.
  void begin_with(const void* bytes, size_t size) { status_ = append_(bytes, size); }

  const Status& status() const { return status_; }

  /// Nothing is written any more, and no file is left.
  void drop() {
    file_.reset();
    append_ = nullptr;
  }

  /// The file takes its place. Once, at the end.
  Status commit() {
    if (!status_.ok() || !file_.has_value()) {
      return status_;
    }
    const auto committed = file_->commit();
    return committed.ok() ? Status() : committed.error();
  }

 private:
  Status put(const void* bytes, size_t size) {
    if (file_.has_value()) {
      return file_->write_at(static_cast<size_t>(position_), bytes, size);
    }
    return append_ != nullptr && position_ == size_ ? append_(bytes, size) : Status();
  }

  std::optional<NewFile> file_;
  Append append_;
  int64_t position_ = 0, size_ = 0;
  Status status_;
};

}  // namespace qwen3_tts
