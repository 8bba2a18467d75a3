#pragma once

#include <string>

#include <CLI/CLI.hpp>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Reads a command line into what `app` and its subcommands declare. Names of flags may be written with - in place
/// of _. Returns "", or the text that was asked for in place of anything else: help or `version`.
Result<std::string> parse_arguments(CLI::App& app, int argc, char** argv, const std::string& version);

}  // namespace qwen3_tts
