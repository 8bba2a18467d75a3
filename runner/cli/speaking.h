#pragma once

#include <qwen3_tts/result.h>

#include "console.h"
#include "options.h"

namespace qwen3_tts {

/// Loads the model, speaks every run and writes what was asked for. All flags, texts and files are checked before the
/// first inference; lines of a stream when they come. Returns the program's exit code, when it is no error.
Result<int> speak_all(const RunnerOptions& options, Console& console);

}  // namespace qwen3_tts
