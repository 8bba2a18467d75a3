#pragma once

/// QWEN3_TTS_API exports a symbol from the shared library; QWEN3_TTS_LOCAL hides a member of an exported class.
/// Everything else is hidden. Who links the static library has QWEN3_TTS_STATIC defined, by CMake: nothing is exported
/// then.
#ifdef QWEN3_TTS_STATIC
#define QWEN3_TTS_API
#define QWEN3_TTS_LOCAL
#else
#define QWEN3_TTS_API __attribute__((visibility("default")))
#define QWEN3_TTS_LOCAL __attribute__((visibility("hidden")))
#endif
