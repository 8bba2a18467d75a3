#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/result.h>
#include <qwen3_tts/synthesis_session.h>

#include "options.h"

namespace qwen3_tts {

/// One utterance: what is spoken, by whom, with which seed, and where it goes.
struct Run {
  std::string source;        ///< How an error calls the text: "line 3 of 'prompts.txt'"; empty for the only text.
  SynthesisRequest request;  ///< Without the voice, which is read later; without a text when codes are decoded.
  std::string voice;         ///< Path of a voice file, or RunnerOptions::ref_audio; empty: none.
  uint64_t seed;
  std::string output_path;  ///< WAV file; empty: none.
};

/// Reads the texts and lays out all runs: every prompt once, then all again for the next repeat. What a prompt does not
/// say is as `options` say: prompt i of repeat r has the seed `options.synthesis.seed` + r * prompts + i and a file
/// name of its own. No run writes to the file of another one, or to one that `options` or a prompt names.
Result<std::vector<Run>> plan_runs(const RunnerOptions& options);

}  // namespace qwen3_tts
