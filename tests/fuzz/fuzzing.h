#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sys/mman.h>
#include <unistd.h>

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
