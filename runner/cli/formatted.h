#pragma once

#include <string>

namespace qwen3_tts {

/// What printf would write: one line, cut off after 511 bytes.
#ifdef __GNUC__
__attribute__((format(printf, 1, 2)))
#endif
std::string format(const char* pattern, ...);

}  // namespace qwen3_tts
