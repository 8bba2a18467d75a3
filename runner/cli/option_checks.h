#pragma once

#include <vector>

#include <qwen3_tts/result.h>

#include "options.h"
#include "output_paths.h"

namespace qwen3_tts {

/// Is there one utterance, and with it one file of each kind?
bool is_single_run(const RunnerOptions& options);

/// The files that the options name: those that are read, and those that are written but for WAV files in a folder.
std::vector<NamedPath> input_files(const RunnerOptions& options);
std::vector<NamedPath> output_files(const RunnerOptions& options);

/// What flags say together. Errors name the flags.
Status check_inputs(const RunnerOptions& options);
Status check_outputs(const RunnerOptions& options);
Status check_self_test(const RunnerOptions& options);

}  // namespace qwen3_tts
