#pragma once

#include <cstdint>
#include <cstdlib>

namespace qwen3_tts::testing {

/// The number that the environment gives, in place of `usual`: tests that take long take longer where somebody asks.
inline int64_t from_environment(const char* name, int64_t usual) {
  const char* value = std::getenv(name);
  return value == nullptr ? usual : std::strtoll(value, nullptr, 10);
}

}  // namespace qwen3_tts::testing
