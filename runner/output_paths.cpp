#include "output_paths.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "file.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

Error refusal(const NamedPath& output, const std::string& reason) {
  return Error{ErrorCode::kIo, std::string(output.flag) + " '" + output.path + "': " + reason};
}

bool is_same_file(const std::string& left, const std::string& right) {
  std::error_code error;
  if (fs::equivalent(left, right, error)) {
    return true;
  }
  const fs::path first = fs::weakly_canonical(fs::absolute(left), error);
  return !error && first == fs::weakly_canonical(fs::absolute(right), error) && !error;
}

Status check_folder(const NamedPath& output) {
  std::error_code error;
  const fs::path parent = fs::path(output.path).parent_path();
  const fs::path folder = parent.empty() ? "." : parent;
  if (!fs::is_directory(folder, error)) {
    return refusal(output, "there is no folder '" + folder.string() + "'; make it first");
  }
  if (fs::is_directory(output.path, error)) {
    return refusal(output, "it is a folder; name a file");
  }
  const bool exists = fs::exists(output.path, error);
  if (::access(exists ? output.path.c_str() : folder.c_str(), W_OK) != 0) {
    return io_error(std::string("write ") + output.flag, output.path, errno);
  }
  return {};
}

}  // namespace

Status check_paths(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs,
                   const NamedPath& output_folder) {
  std::error_code error;
  if (!output_folder.path.empty() && fs::exists(output_folder.path, error) &&
      !fs::is_directory(output_folder.path, error)) {
    return refusal(output_folder, "it is not a folder");
  }
  std::vector<NamedPath> others = inputs;
  for (const NamedPath& output : outputs) {
    if (output.path.empty()) {
      continue;
    }
    if (Status status = check_folder(output); !status.ok()) {
      return status;
    }
    for (const NamedPath& other : others) {
      if (!other.path.empty() && is_same_file(output.path, other.path)) {
        return refusal(output, std::string("it is the file of ") + other.flag + " too; give it another name");
      }
    }
    others.push_back(output);
  }
  return {};
}

}  // namespace qwen3_tts
