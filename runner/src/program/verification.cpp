#include "program/verification.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/try.h"
#include "program/file_digests.h"
#include "program/program_file.h"

namespace qwen3_tts {
namespace {

/// The files that this process has found whole.
class WholeFiles {
 public:
  bool has(const FileIdentity& identity) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return identities_.count(identity) > 0;
  }
  void add(const FileIdentity& identity) {
    const std::lock_guard<std::mutex> lock(mutex_);
    identities_.insert(identity);
  }

 private:
  mutable std::mutex mutex_;
  std::set<FileIdentity> identities_;
};

WholeFiles& whole_files() {
  static WholeFiles files;
  return files;
}

/// The program's size stands in its first bytes, and these must be right.
Status check_program(const FileDigests& digests) {
  RETURN_IF_ERROR(digests.check(kProgramHeaderBytes));
  std::array<uint8_t, kProgramHeaderBytes> header{};
  RETURN_IF_ERROR(digests.read_bytes(header.data(), std::min<uint64_t>(header.size(), digests.size()), 0));
  return digests.check(program_bytes(header.data()));
}

}  // namespace

Status verify(const ModelSource& source, Verify when, Extent extent) {
  if (when == Verify::kNever) {
    return {};
  }
  ASSIGN_OR_RETURN(const auto digests, FileDigests::read(source));
  if (!digests.has_value() || (when == Verify::kOnce && whole_files().has(digests->identity()))) {
    return {};
  }
  if (extent == Extent::kProgram) {
    return check_program(*digests);
  }
  RETURN_IF_ERROR(digests->check(digests->size()));
  whole_files().add(digests->identity());
  return {};
}

Status require_digests(const ModelSource& source, Verify when) {
  if (when == Verify::kNever) {
    return {};
  }
  ASSIGN_OR_RETURN(const auto digests, FileDigests::read(source));
  if (!digests.has_value()) {
    return Error{ErrorCode::kInvalidModel,
                 "'" + source.name() +
                     "' ends without the digests of its bytes: it is truncated, damaged at its end or of an " +
                     "older export; copy or export it again"};
  }
  return {};
}

}  // namespace qwen3_tts
