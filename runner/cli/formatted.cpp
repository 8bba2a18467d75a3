#include "formatted.h"

#include <array>
#include <cstdarg>
#include <cstdio>

namespace qwen3_tts {

std::string format(const char* pattern, ...) {
  std::va_list arguments;
  va_start(arguments, pattern);
  std::array<char, 512> line{};
  std::vsnprintf(line.data(), line.size(), pattern, arguments);
  va_end(arguments);
  return line.data();
}

}  // namespace qwen3_tts
