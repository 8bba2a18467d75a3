#pragma once

#include <cstdint>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// kInvalidArgument for a number of threads that no process can have.
Status check_thread_count(int32_t num_threads);

/// Sets the size of ExecuTorch's thread pool; 0 keeps what it has, at first all cores. The delegates of a loaded
/// program hold on to the pool they were made with, so only the first call of a process may choose: a later one
/// with another number is kInvalidArgument.
Status set_thread_count(int32_t num_threads);

}  // namespace qwen3_tts
