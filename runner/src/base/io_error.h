#pragma once

#include <cerrno>
#include <string>
#include <system_error>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// What to do about a failed call; "" where its reason says it all.
inline const char* remedy_of(int error_number) {
  switch (error_number) {
    case ENOENT:
      return "; check the path";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; check the permissions or name another place";
    case ENOMEM:
      return "; free memory, or raise its limit (ulimit -v)";
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "; make room or name another place";
    default:
      return "";
  }
}

/// kIo error: "cannot <action> '<path>': <reason of error_number>".
inline Error io_error(const std::string& action, const std::string& path, int error_number) {
  return Error{ErrorCode::kIo, "cannot " + action + " '" + path +
                                   "': " + std::generic_category().message(error_number) + remedy_of(error_number)};
}

}  // namespace qwen3_tts
