#pragma once

#include <string>

namespace qwen3_tts::testing {

/// The bytes of a model that was edited, with digests of what they are now: no longer damaged, but still wrong.
std::string with_new_digests(std::string bytes);

}  // namespace qwen3_tts::testing
