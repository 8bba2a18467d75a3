#pragma once

#include <cstdint>
#include <string>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Keeps ExecuTorch from printing: from now on its messages below an error are dropped and the first error since
/// clear_runtime_error() is remembered. Only a fatal one, which ends the process, still goes to stderr.
void capture_runtime_log();

void clear_runtime_error();

/// "" when ExecuTorch said nothing.
std::string take_runtime_error();

/// kInvalidArgument for a number of threads that no process can have.
Status check_thread_count(int32_t num_threads);

/// Sets the size of ExecuTorch's thread pool; 0 keeps what it has, at first all cores. The delegates of a loaded
/// program hold on to the pool they were made with, so only the first call of a process may choose: a later one
/// with another number is kInvalidArgument.
Status set_thread_count(int32_t num_threads);

}  // namespace qwen3_tts
