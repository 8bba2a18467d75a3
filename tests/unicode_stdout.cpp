// What the library knows of every code point, for tests/test_unicode.py. One line each, in hexadecimal: "fold 41 61"
// where case matters, "invisible 200B ZERO WIDTH SPACE" where nothing is seen.

#include <cstdint>
#include <cstdio>
#include <string>

#include "base/unicode_nfc.h"
#include "text/invisible_characters.h"

int main() {
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    const std::u32string folded = qwen3_tts::fold_case(std::u32string(1, code));
    if (folded != std::u32string(1, code)) {
      std::printf("fold %X", static_cast<unsigned>(code));
      for (const char32_t part : folded) {
        std::printf(" %X", static_cast<unsigned>(part));
      }
      std::printf("\n");
    }
    if (const char* name = qwen3_tts::invisible_name(code)) {
      std::printf("invisible %X %s\n", static_cast<unsigned>(code), name);
    }
  }
  return 0;
}
