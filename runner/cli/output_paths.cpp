#include "output_paths.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "base/try.h"

namespace qwen3_tts {
namespace {

namespace fs = std::filesystem;

Error refusal(const NamedPath& output, const std::string& reason) {
  return Error{ErrorCode::kIo, output.flag + " '" + output.path + "': " + reason};
}

/// Without links, "." and "..", as far as the path exists.
fs::path resolved(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(fs::absolute(path), error);
  return error ? fs::absolute(path).lexically_normal() : canonical;
}

bool is_same_file(const std::string& left, const std::string& right) {
  std::error_code error;
  if (fs::equivalent(left, right, error)) {
    return true;
  }
  return resolved(left) == resolved(right);
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
    return io_error("write " + output.flag, output.path, errno);
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
    RETURN_IF_ERROR(check_folder(output));
    for (const NamedPath& other : others) {
      if (!other.path.empty() && is_same_file(output.path, other.path)) {
        return refusal(output, "it is the file of " + other.flag + " too; give it another name");
      }
    }
    others.push_back(output);
  }
  return {};
}

Status check_distinct(const std::vector<NamedPath>& others, const std::vector<NamedPath>& outputs) {
  std::error_code error;
  const auto refuse = [](const NamedPath& output, const std::string& reason) {
    return Error{ErrorCode::kIo, output.flag + ": '" + output.path + "' " + reason};
  };
  std::map<fs::path, std::string> owners;
  for (const NamedPath& other : others) {
    if (!other.path.empty()) {
      owners.emplace(resolved(other.path), other.flag);
    }
  }
  for (const NamedPath& output : outputs) {
    if (output.path.empty()) {
      continue;
    }
    const fs::path path = resolved(output.path);
    if (fs::is_directory(path, error)) {
      return refuse(output, "is a folder; name a file");
    }
    if (const auto [owner, is_new] = owners.emplace(path, output.flag); !is_new) {
      return refuse(output, "is the file of " + owner->second + " too; give it another name");
    }
  }
  for (const NamedPath& output : outputs) {
    for (fs::path path = resolved(output.path); !output.path.empty() && path.has_relative_path();) {
      path = path.parent_path();
      if (const auto owner = owners.find(path); owner != owners.end()) {
        return refuse(output, "lies in the file of " + owner->second + "; give it another name");
      }
    }
  }
  return {};
}

}  // namespace qwen3_tts
