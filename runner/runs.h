#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>

#include "options.h"

namespace qwen3_tts {

/// One utterance: what is spoken, with which seed, and where it goes.
struct Run {
  std::string source;  ///< How an error calls the text: "line 3 of 'prompts.txt'"; empty for the only text.
  std::string prompt;  ///< Empty when codes are decoded.
  uint64_t seed;
  std::string output_path;  ///< WAV file; empty: none.
};

/// Reads the texts and lays out all runs: every prompt once, then all again for the next repeat.
/// Prompt i of repeat r has the seed `options.synthesis.seed` + r * prompts + i and a file name of its own.
Result<std::vector<Run>> plan_runs(const RunnerOptions& options);

}  // namespace qwen3_tts
