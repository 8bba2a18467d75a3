#include "edited_model.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "temp_folder.h"

namespace qwen3_tts::testing {

// The format is that of runner/src/program/file_digests.h.
std::string with_new_digests(std::string bytes) {
  constexpr uint64_t kBlockBytes = uint64_t{1} << 20;
  constexpr uint64_t kFooterBytes = 24;
  const uint64_t footer = bytes.size() - kFooterBytes;
  uint64_t size = 0;
  std::memcpy(&size, &bytes[footer], sizeof(size));
  uint64_t place = size;
  for (uint64_t begin = 0; begin < size; begin += kBlockBytes, place += sizeof(uint64_t)) {
    const uint64_t digest = XXH3_64bits(&bytes[begin], std::min(kBlockBytes, size - begin));
    std::memcpy(&bytes[place], &digest, sizeof(digest));
  }
  const uint64_t digest = XXH3_64bits_withSeed(&bytes[size], place - size, size);
  std::memcpy(&bytes[footer + sizeof(size)], &digest, sizeof(digest));
  return bytes;
}

EngineOptions says_int4(const std::string& path, const std::string& copy) {
  constexpr std::string_view kNone = "\"int4\": false";
  EngineOptions options;
  options.model_path = copy;
  options.data_path = std::filesystem::path(path).replace_extension(".ptd").string();
  std::string bytes = read_bytes(path);
  write_bytes(copy, with_new_digests(bytes.replace(bytes.find(kNone), kNone.size(), "\"int4\": true ")));
  return options;
}

}  // namespace qwen3_tts::testing
