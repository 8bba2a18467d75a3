#pragma once

#include <utility>

#include <unistd.h>

namespace qwen3_tts {

/// Closes a descriptor on every way out.
class FileDescriptor {
 public:
  explicit FileDescriptor(int value = -1) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) {
      ::close(value_);
    }
  }
  FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }

  int get() const { return value_; }
  /// Leaves closing it to the caller.
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

}  // namespace qwen3_tts
