#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A file, and the flag or the line of a prompts file that names it. An empty path was not given.
struct NamedPath {
  std::string flag;
  std::string path;
};

/// What can be known before an hour of work is done for it: every output's folder is there and can be written to, and
/// no output would replace an input, another output or a folder.
Status check_paths(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs,
                   const NamedPath& output_folder);

/// The files that the runs of a prompts file write: each one is a file of its own. There may be thousands.
class OutputNames {
 public:
  /// `others`: the files that the command line names, which no run may write to.
  explicit OutputNames(const std::vector<NamedPath>& others);

  /// A run reads this file. An error when another one writes it.
  Status add_input(const NamedPath& input);
  /// A run writes this file. An error when it is a folder, somebody else's file, or lies below or above one.
  Status add_output(const NamedPath& output);

 private:
  std::map<std::filesystem::path, std::string> inputs_;   ///< Resolved path -> who names it first.
  std::map<std::filesystem::path, std::string> outputs_;  ///< The same.
  std::map<std::filesystem::path, std::string> folders_;  ///< What lies above the outputs -> who needs it first.
};

/// Where the output of a run is kept until it is complete: "b/a.wav" -> "b/a_unfinished.wav".
std::string unfinished(const std::string& path);

/// Stores the bytes of a complete output and gives it its name. What stood there is replaced.
Status move_into_place(const std::string& from, const std::string& to);

}  // namespace qwen3_tts
