#pragma once

#include <string>

namespace qwen3_tts {

/// Keeps ExecuTorch from printing: from now on its messages below an error are dropped, and of each thread the first
/// error since its clear_runtime_error() is remembered. Only a fatal one, which ends the process, still goes to stderr.
///
/// ExecuTorch, its delegates and our kernels report an error on the thread that called them, so that two programs that
/// run at once never take each other's cause. A thread of ExecuTorch's pool cannot know for whom it works: what it says
/// stays with it, and its caller has the error's code alone.
void capture_runtime_log();

/// Forgets the error of this thread.
void clear_runtime_error();

/// What ExecuTorch said on this thread, which is then forgotten; "" when it said nothing.
std::string take_runtime_error();

}  // namespace qwen3_tts
