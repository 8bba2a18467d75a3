#pragma once

#include <string>

namespace qwen3_tts {

/// Keeps ExecuTorch from printing: from now on its messages below an error are dropped and the first error since
/// clear_runtime_error() is remembered. Only a fatal one, which ends the process, still goes to stderr.
void capture_runtime_log();

void clear_runtime_error();

/// "" when ExecuTorch said nothing.
std::string take_runtime_error();

}  // namespace qwen3_tts
