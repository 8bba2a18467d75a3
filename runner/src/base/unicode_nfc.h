#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <qwen3_tts/result.h>

#include "base/unicode_tables.h"

namespace qwen3_tts {

struct DecodedChar {
  char32_t code;
  size_t size;  ///< Bytes.
};

/// The first code point of the text. Nothing when the text is empty or does not begin with valid UTF-8: a cut or
/// overlong sequence, a surrogate, more than U+10FFFF.
std::optional<DecodedChar> decode_char(std::string_view utf8);

/// The text's code points. Invalid UTF-8 is kInvalidArgument with the offset of the first byte of what is invalid.
Result<std::u32string> decode_utf8(std::string_view utf8);

/// Appends a code point as UTF-8.
void append_utf8(char32_t code, std::string& utf8);

/// Unicode's normalization form C, in the Unicode version that the reference's normalizer has.
std::u32string to_nfc(std::u32string text);

/// Unicode's full case folding, which does not depend on a language: what differs in case alone becomes the same, and
/// "ß" becomes "ss". The same as Python's str.casefold().
std::u32string fold_case(std::u32string_view text);

/// Does the code point's canonical combining class say that it is written on the one before it?
bool is_combining_mark(char32_t code);

/// The class that the reference's regex engine gives a code point.
CharClass char_class(char32_t code);

}  // namespace qwen3_tts
