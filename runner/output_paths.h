#pragma once

#include <string>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// A file that the command line names. An empty path was not given.
struct NamedPath {
  const char* flag;
  std::string path;
};

/// What can be known before an hour of work is done for it: every output's folder is there and can be written to, and
/// no output would replace an input, another output or a folder.
Status check_paths(const std::vector<NamedPath>& inputs, const std::vector<NamedPath>& outputs,
                   const NamedPath& output_folder);

}  // namespace qwen3_tts
