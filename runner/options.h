#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <qwen3_tts/engine.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

namespace qwen3_tts {

/// What the command line says; names equal the flags.
struct RunnerOptions {
  EngineOptions engine;
  SynthesisRequest request;  ///< Without the text and the voice, which are read later.
  SynthesisOptions synthesis;
  // Exactly one of these three.
  std::optional<std::string> text;
  std::optional<std::string> prompts_path;
  std::optional<std::string> codes_path;
  std::string voice;  ///< Path of a voice file.
  std::string output_wav;
  std::string output_dir;
  std::string codes_output;
  std::string stats_json;
  int64_t repeat = 1;
};

/// Reads the command line. Nothing but `help` is set when it was asked for.
struct ParsedCommandLine {
  std::optional<RunnerOptions> options;
  std::string help;
};
Result<ParsedCommandLine> parse_command_line(int argc, char** argv);

}  // namespace qwen3_tts
