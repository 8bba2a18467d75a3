#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include <qwen3_tts/result.h>

#include "base/file_descriptor.h"

namespace qwen3_tts {

/// The lines of a file; or those of a pipe or a terminal, each as soon as it is there.
class LineReader {
 public:
  /// Opens `path`; "-" is standard input. A pipe without a writer is waited for by next(). `is_stopped` is asked again
  /// and again while nothing comes.
  static Result<LineReader> open(const std::string& path, std::function<bool()> is_stopped);

  /// The next line, without its line break; nothing at the end, or when it is stopped. Refuses what is too large to be
  /// a text.
  Result<std::optional<std::string>> next();

  /// The next bytes, as soon as some are there; nothing at the end, or when it is stopped.
  Result<std::optional<std::string>> next_bytes();

  /// All that will come is there already: a regular file.
  bool is_whole() const { return is_whole_; }

 private:
  LineReader() = default;

  /// Waits for more bytes, and takes them. Nothing comes any more: false.
  Result<bool> fill();

  std::string name_;  ///< How an error calls it.
  FileDescriptor file_;
  std::function<bool()> is_stopped_;
  bool is_whole_ = false;
  std::string buffer_;
  size_t begin_ = 0;     ///< Of the next line in the buffer.
  size_t searched_ = 0;  ///< No line break stands between there and `begin_`.
};

}  // namespace qwen3_tts
