#include "program/program_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string>

#include <executorch/runtime/executor/program.h>

#include "base/error.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

namespace et = executorch::runtime;

/// The extended header that follows the file identifier (ExecuTorch's schema/extended_header.h): little-endian
/// sizes of the program and of the segments behind it.
struct FileHeader {
  static constexpr size_t kMagicOffset = 8;
  static constexpr size_t kProgramSizeOffset = 16;
  static constexpr size_t kSegmentBaseOffset = 24;
  static constexpr size_t kSegmentSizeOffset = 32;
};

uint64_t read_u64(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 7; i >= 0; --i) {
    value = value << 8 | bytes[i];
  }
  return value;
}

bool has_sizes(const uint8_t* header) { return std::memcmp(header + FileHeader::kMagicOffset, "eh00", 4) == 0; }

/// Bytes the program in `header` needs with its segments, or 0 when it does not say.
uint64_t expected_size(const uint8_t* header) {
  if (!has_sizes(header)) {
    return 0;
  }
  const uint64_t base = read_u64(header + FileHeader::kSegmentBaseOffset);
  uint64_t end = 0;
  if (__builtin_add_overflow(base, read_u64(header + FileHeader::kSegmentSizeOffset), &end)) {
    return std::numeric_limits<uint64_t>::max();
  }
  return std::max(program_bytes(header), base == 0 ? 0 : end);
}

}  // namespace

uint64_t program_bytes(const uint8_t* header) {
  return has_sizes(header) ? read_u64(header + FileHeader::kProgramSizeOffset) : 0;
}

Status check_program_file(const ModelSource& source) {
  const std::string& path = source.name();
  ASSIGN_OR_RETURN(const auto file, source.open());
  if (!file->is_regular()) {
    return Error{ErrorCode::kIo, "cannot open '" + path + "': it is not a regular file"};
  }
  const uint64_t size = file->size();
  std::array<uint8_t, kProgramHeaderBytes> header{};
  const size_t count = static_cast<size_t>(std::min<uint64_t>(size, header.size()));
  RETURN_IF_ERROR(file->read(header.data(), count, 0));
  if (size == 0) {
    return invalid_model("'" + path + "' is empty");
  }
  const auto status = count < header.size() ? et::Program::HeaderStatus::NotPresent
                                            : et::Program::check_header(header.data(), header.size());
  if (status == et::Program::HeaderStatus::IncompatibleVersion) {
    return invalid_model("'" + path + "' was made by another version of ExecuTorch");
  }
  if (status != et::Program::HeaderStatus::CompatibleVersion) {
    return invalid_model("'" + path + "' is not an ExecuTorch program (.pte)");
  }
  if (expected_size(header.data()) > size) {
    return Error{ErrorCode::kInvalidModel, "'" + path + "' is truncated: " + std::to_string(size) + " of " +
                                               std::to_string(expected_size(header.data())) +
                                               " bytes; copy or export it again"};
  }
  return {};
}

}  // namespace qwen3_tts
