#pragma once

#include <cstdint>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// kInvalidArgument for a number of threads that no process can have.
Status check_thread_count(int32_t num_threads);

/// Sets the size of ExecuTorch's thread pool; 0 keeps what it has, at first all processors that the process may use:
/// those of its affinity, and no more than its container's quota (cpu_quota.h). The delegates of a loaded
/// program hold on to the pool they were made with, so only the first call of a process may choose: a later one
/// with another number is kInvalidArgument.
Status set_thread_count(int32_t num_threads);

/// What ExecuTorch's thread pool has.
int32_t thread_count();

}  // namespace qwen3_tts
