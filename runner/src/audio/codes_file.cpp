#include "audio/codes_file.h"

#include <cstring>

#include "base/codes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

constexpr size_t kIntSize = sizeof(int32_t);
constexpr size_t kHeaderSize = 2 * kIntSize;

int32_t read_int(const std::string& bytes, size_t index) {
  static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "integers are read as they lie in the file");
  int32_t value = 0;
  std::memcpy(&value, bytes.data() + index * kIntSize, kIntSize);
  return value;
}

void append_int(std::string& bytes, int64_t value) {
  const auto narrow = static_cast<int32_t>(value);
  bytes.append(reinterpret_cast<const char*>(&narrow), kIntSize);
}

/// A message names no file.
Result<std::vector<int64_t>> parse(const std::string& bytes, int64_t num_code_groups) {
  if (bytes.size() < kHeaderSize) {
    return invalid_argument(std::to_string(bytes.size()) + " bytes are too few for a codes file");
  }
  const int64_t num_frames = read_int(bytes, 0);
  const int64_t num_groups = read_int(bytes, 1);
  if (num_groups != num_code_groups) {
    return invalid_argument("it has " + std::to_string(num_groups) + " code groups, the model has " +
                            std::to_string(num_code_groups) + "; these are codes of another codec");
  }
  const size_t num_codes = (bytes.size() - kHeaderSize) / kIntSize;
  if (num_frames < 0 || bytes.size() % kIntSize != 0 || static_cast<int64_t>(num_codes) != num_frames * num_groups) {
    return invalid_argument("its header says " + std::to_string(num_frames) + " frames of " +
                            std::to_string(num_groups) + " codes, which is not what " + std::to_string(bytes.size()) +
                            " bytes hold; write it again");
  }
  std::vector<int64_t> codes(num_codes);
  for (size_t i = 0; i < num_codes; ++i) {
    codes[i] = read_int(bytes, 2 + i);
  }
  return codes;
}

}  // namespace

Result<std::vector<int64_t>> read_codes_file(const std::string& path, const ModelMetadata& metadata) {
  ASSIGN_OR_RETURN(const std::string bytes, read_file(path));
  ASSIGN_OR_RETURN(std::vector<int64_t> codes, about("'" + path + "'", parse(bytes, metadata.num_code_groups)));
  RETURN_IF_ERROR(check_codes(codes, metadata, path));
  return codes;
}

Status write_codes_file(const std::string& path, const std::vector<int64_t>& codes, const ModelMetadata& metadata) {
  RETURN_IF_ERROR(check_codes(codes, metadata, path));
  std::string bytes;
  bytes.reserve(kHeaderSize + codes.size() * kIntSize);
  append_int(bytes, static_cast<int64_t>(codes.size()) / metadata.num_code_groups);
  append_int(bytes, metadata.num_code_groups);
  for (const int64_t code : codes) {
    append_int(bytes, code);
  }
  return write_file(path, bytes);
}

}  // namespace qwen3_tts
