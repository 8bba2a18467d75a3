#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <qwen3_tts/result.h>

#include "base/names.h"

namespace qwen3_tts {

/// The values that a flag takes.
template <typename Enum>
std::vector<std::string> choices() {
  std::vector<std::string> texts;
  for (const Name<Enum>& name : Names<Enum>::kAll) {
    texts.emplace_back(name.text);
  }
  return texts;
}

/// Reads a command line into what `app` and its subcommands declare. Names of flags may be written with - in place
/// of _. Returns "", or the text that was asked for in place of anything else: help or `version`.
Result<std::string> parse_arguments(CLI::App& app, int argc, char** argv, const std::string& version);

}  // namespace qwen3_tts
