#pragma once

#include <string>

#include <qwen3_tts/engine_options.h>

namespace qwen3_tts::testing {

/// The bytes of a model that was edited, with digests of what they are now: no longer damaged, but still wrong.
std::string with_new_digests(std::string bytes);

/// A copy of the model for a GPU in `path` that says that it has int4 layers, and still has none: in the file `copy`,
/// with its weights where they are.
EngineOptions says_int4(const std::string& path, const std::string& copy);

}  // namespace qwen3_tts::testing
