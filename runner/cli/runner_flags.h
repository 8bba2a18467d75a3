#pragma once

#include <optional>
#include <string>

#include <qwen3_tts/result.h>

#include "options.h"

namespace qwen3_tts {

/// Reads the command line and checks it. Nothing but `message` is set when help or the version was asked for.
struct ParsedCommandLine {
  std::optional<RunnerOptions> options;
  std::string message;
};
Result<ParsedCommandLine> parse_command_line(int argc, char** argv);

}  // namespace qwen3_tts
