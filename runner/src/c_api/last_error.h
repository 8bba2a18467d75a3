#pragma once

#include <qwen3_tts.h>

extern "C" {

/// Keeps a sentence for qwen3_tts_last_error() of this thread. It is exported for the component audio, whose functions
/// fail as those of the core do, and declared by no installed header.
QWEN3_TTS_C_API void qwen3_tts_keep_last_error(const char* message);

}  // extern "C"
