#include "c_api/last_error.h"

#include <exception>
#include <string>
#include <string_view>

#include "base/unicode_nfc.h"

namespace {

/// A sentence may quote a path, whose bytes may be anything: those of no character become U+FFFD.
std::string as_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const auto decoded = qwen3_tts::decode_char(bytes);
    qwen3_tts::append_utf8(decoded ? decoded->code : U'\uFFFD', text);
    bytes.remove_prefix(decoded ? decoded->size : 1);
  }
  return text;
}

thread_local std::string kept;
thread_local const char* said = "";

}  // namespace

void qwen3_tts_keep_last_error(const char* message) {
  try {
    kept = as_utf8(message);
    said = kept.c_str();
  } catch (const std::exception&) {
    said = "there is no memory left, not even to say what failed; free some";
  }
}

const char* qwen3_tts_last_error() { return said; }
