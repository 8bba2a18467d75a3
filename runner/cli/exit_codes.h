#pragma once

namespace qwen3_tts {

/// How the program ends when it was not an error (EXIT_FAILURE) and not all went well. `--help` explains them.
inline constexpr int kExitLinesRefused = 2;  ///< Lines of a prompts file were wrong; the others are spoken.
inline constexpr int kExitCutOff = 3;        ///< --strict: a limit cut speech off.
inline constexpr int kExitSignalled = 128;   ///< What a shell adds to the number of the signal that ended a program.

}  // namespace qwen3_tts
