#include "output_paths.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "base/file_descriptor.h"
#include "base/io_error.h"
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

/// `verb`: what the path is or does with the file of `owner`.
Error already_named(const std::string& path, const std::string& verb, const std::string& owner) {
  return Error{ErrorCode::kIo, "'" + path + "' " + verb + " the file of " + owner +
                                   (verb == "is" ? " too; give it another name" : "; give it another name")};
}

fs::path folder_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

Status check_folder(const NamedPath& output) {
  std::error_code error;
  const fs::path folder = folder_of(output.path);
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
    // The folder of the runs need not be there yet: the first one makes it.
    const bool is_made_later = !output_folder.path.empty() && !fs::exists(output_folder.path, error) &&
                               resolved(folder_of(output.path).string()) == resolved(output_folder.path);
    RETURN_IF_ERROR(is_made_later ? Status() : check_folder(output));
    for (const NamedPath& other : others) {
      if (!other.path.empty() && is_same_file(output.path, other.path)) {
        return refusal(output, "it is the file of " + other.flag + " too; give it another name");
      }
    }
    others.push_back(output);
  }
  return {};
}

OutputNames::OutputNames(const std::vector<NamedPath>& others) {
  for (const NamedPath& other : others) {
    if (!other.path.empty()) {
      inputs_.emplace(resolved(other.path), other.flag);
    }
  }
}

Status OutputNames::add_input(const NamedPath& input) {
  if (input.path.empty()) {
    return {};
  }
  const fs::path path = resolved(input.path);
  if (const auto writer = outputs_.find(path); writer != outputs_.end()) {
    return already_named(input.path, "is", writer->second);
  }
  inputs_.emplace(path, input.flag);
  return {};
}

Status OutputNames::add_output(const NamedPath& output) {
  std::error_code error;
  const fs::path path = resolved(output.path);
  if (fs::is_directory(path, error)) {
    return Error{ErrorCode::kIo, "'" + output.path + "' is a folder; name a file"};
  }
  for (const auto* names : {&inputs_, &outputs_}) {
    if (const auto owner = names->find(path); owner != names->end()) {
      return already_named(output.path, "is", owner->second);
    }
  }
  if (const auto above = folders_.find(path); above != folders_.end()) {
    return Error{ErrorCode::kIo, "'" + output.path + "' is the folder of " + above->second + "; give it another name"};
  }
  std::vector<fs::path> folders;
  for (fs::path folder = path.parent_path(); folder.has_relative_path(); folder = folder.parent_path()) {
    for (const auto* names : {&inputs_, &outputs_}) {
      if (const auto owner = names->find(folder); owner != names->end()) {
        return already_named(output.path, "lies in", owner->second);
      }
    }
    folders.push_back(folder);
  }
  for (const fs::path& folder : folders) {
    folders_.emplace(folder, output.flag);
  }
  outputs_.emplace(path, output.flag);
  return {};
}

std::string unfinished(const std::string& path) {
  const fs::path name(path);
  return (name.parent_path() / (name.stem().string() + "_unfinished" + name.extension().string())).string();
}

Status move_into_place(const std::string& from, const std::string& to) {
  const FileDescriptor file(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  // What fsync accepted is there even after the power failed.
  if (file.get() < 0 || ::fsync(file.get()) != 0 || std::rename(from.c_str(), to.c_str()) != 0) {
    return io_error("write", to, errno);
  }
  return {};
}

}  // namespace qwen3_tts
