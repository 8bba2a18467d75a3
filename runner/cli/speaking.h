#pragma once

#include <vector>

#include <qwen3_tts/result.h>

#include "console.h"
#include "options.h"

namespace qwen3_tts {

/// Lets Ctrl-C (SIGINT) and SIGTERM end the utterance and complete its file. A second one ends the program at once.
void install_signal_handlers();

/// The signal that asked the program to end; 0: none.
int received_signal();

/// Loads the model, speaks every run and writes what was asked for. All texts, files and values are checked before
/// the first inference. Returns the program's exit code, when it is no error.
Result<int> speak_all(RunnerOptions options, Console& console);

}  // namespace qwen3_tts
