#pragma once

/// The shared library shows a program what bears the first of these, less what bears the second, and hides the rest.
#define QWEN3_TTS_API __attribute__((visibility("default")))
#define QWEN3_TTS_LOCAL __attribute__((visibility("hidden")))
