#include "base/folded_name.h"

#include "base/unicode_nfc.h"

namespace qwen3_tts {

std::string folded_name(std::string_view utf8) {
  auto decoded = decode_utf8(utf8);
  if (!decoded.ok()) {
    return std::string(utf8);
  }
  std::string folded;
  for (const char32_t code : to_nfc(fold_case(to_nfc(*std::move(decoded))))) {
    append_utf8(code, folded);
  }
  return folded;
}

}  // namespace qwen3_tts
