#pragma once

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

/// Every one of `outputs`, of which there may be thousands, is a file of its own: no folder, none of `others` and none
/// of the other outputs.
Status check_distinct(const std::vector<NamedPath>& others, const std::vector<NamedPath>& outputs);

}  // namespace qwen3_tts
