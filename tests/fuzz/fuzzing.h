#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

#include <qwen3_tts/result.h>

#include "base/unicode_nfc.h"

/// What the fuzz targets share. Each is a program of its own: libFuzzer calls LLVMFuzzerTestOneInput with bytes, and a
/// crash, a finding of a sanitizer, a hang or a `require` that fails is kept as a file.
namespace qwen3_tts::testing {

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// What must hold whatever the bytes are.
inline void require(bool is_so, const char* what) {
  if (!is_so) {
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

inline void require_utf8(std::string_view text) { require(decode_utf8(text).ok(), "a text is UTF-8"); }

/// An error says something, and is of one of these kinds.
inline void require_error(const Error& error, std::initializer_list<ErrorCode> kinds) {
  require(!error.message.empty(), "an error says what is wrong");
  require(std::find(kinds.begin(), kinds.end(), error.code) != kinds.end(), "an error is of its kind");
}

/// A file in memory with these bytes, for what reads a path.
class BytesAsFile {
 public:
  BytesAsFile(const uint8_t* data, size_t size) : file_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(file_ >= 0 && ::write(file_, data, size) == static_cast<ssize_t>(size), "there is memory for a file");
  }
  ~BytesAsFile() { ::close(file_); }
  BytesAsFile(const BytesAsFile&) = delete;
  BytesAsFile& operator=(const BytesAsFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

}  // namespace qwen3_tts::testing
