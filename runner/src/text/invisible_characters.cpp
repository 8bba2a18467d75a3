#include "text/invisible_characters.h"

#include <algorithm>
#include <iterator>

namespace qwen3_tts {
namespace {

/// Unicode's name of a character, in capitals, or what those of a range are.
struct Invisible {
  char32_t first, last;
  const char* name;
};

constexpr char kControl[] = "control character";
constexpr char kMark[] = "combining mark";
constexpr char kNone[] = "noncharacter";
constexpr char kReserved[] = "reserved ignorable";
constexpr char kVariation[] = "variation selector";

constexpr Invisible kInvisible[] = {
    {0x0000, 0x0008, kControl},
    {0x0009, 0x0009, "TAB"},
    {0x000A, 0x000A, "LINE FEED"},
    {0x000B, 0x000C, kControl},
    {0x000D, 0x000D, "CARRIAGE RETURN"},
    {0x000E, 0x001F, kControl},
    {0x0020, 0x0020, "SPACE"},
    {0x007F, 0x009F, kControl},
    {0x00A0, 0x00A0, "NO-BREAK SPACE"},
    {0x00AD, 0x00AD, "SOFT HYPHEN"},
    {0x0300, 0x034E, kMark},
    {0x034F, 0x034F, "COMBINING GRAPHEME JOINER"},
    {0x0350, 0x036F, kMark},
    {0x061C, 0x061C, "ARABIC LETTER MARK"},
    {0x115F, 0x115F, "HANGUL CHOSEONG FILLER"},
    {0x1160, 0x1160, "HANGUL JUNGSEONG FILLER"},
    {0x1680, 0x1680, "OGHAM SPACE MARK"},
    {0x17B4, 0x17B4, "KHMER VOWEL INHERENT AQ"},
    {0x17B5, 0x17B5, "KHMER VOWEL INHERENT AA"},
    {0x180B, 0x180D, kVariation},
    {0x180E, 0x180E, "MONGOLIAN VOWEL SEPARATOR"},
    {0x180F, 0x180F, kVariation},
    {0x1AB0, 0x1AFF, kMark},
    {0x1DC0, 0x1DFF, kMark},
    {0x2000, 0x2000, "EN QUAD"},
    {0x2001, 0x2001, "EM QUAD"},
    {0x2002, 0x2002, "EN SPACE"},
    {0x2003, 0x2003, "EM SPACE"},
    {0x2004, 0x2004, "THREE-PER-EM SPACE"},
    {0x2005, 0x2005, "FOUR-PER-EM SPACE"},
    {0x2006, 0x2006, "SIX-PER-EM SPACE"},
    {0x2007, 0x2007, "FIGURE SPACE"},
    {0x2008, 0x2008, "PUNCTUATION SPACE"},
    {0x2009, 0x2009, "THIN SPACE"},
    {0x200A, 0x200A, "HAIR SPACE"},
    {0x200B, 0x200B, "ZERO WIDTH SPACE"},
    {0x200C, 0x200C, "ZERO WIDTH NON-JOINER"},
    {0x200D, 0x200D, "ZERO WIDTH JOINER"},
    {0x200E, 0x200E, "LEFT-TO-RIGHT MARK"},
    {0x200F, 0x200F, "RIGHT-TO-LEFT MARK"},
    {0x2028, 0x2028, "LINE SEPARATOR"},
    {0x2029, 0x2029, "PARAGRAPH SEPARATOR"},
    {0x202A, 0x202A, "LEFT-TO-RIGHT EMBEDDING"},
    {0x202B, 0x202B, "RIGHT-TO-LEFT EMBEDDING"},
    {0x202C, 0x202C, "POP DIRECTIONAL FORMATTING"},
    {0x202D, 0x202D, "LEFT-TO-RIGHT OVERRIDE"},
    {0x202E, 0x202E, "RIGHT-TO-LEFT OVERRIDE"},
    {0x202F, 0x202F, "NARROW NO-BREAK SPACE"},
    {0x205F, 0x205F, "MEDIUM MATHEMATICAL SPACE"},
    {0x2060, 0x2060, "WORD JOINER"},
    {0x2061, 0x2061, "FUNCTION APPLICATION"},
    {0x2062, 0x2062, "INVISIBLE TIMES"},
    {0x2063, 0x2063, "INVISIBLE SEPARATOR"},
    {0x2064, 0x2064, "INVISIBLE PLUS"},
    {0x2065, 0x2065, kReserved},
    {0x2066, 0x2066, "LEFT-TO-RIGHT ISOLATE"},
    {0x2067, 0x2067, "RIGHT-TO-LEFT ISOLATE"},
    {0x2068, 0x2068, "FIRST STRONG ISOLATE"},
    {0x2069, 0x2069, "POP DIRECTIONAL ISOLATE"},
    {0x206A, 0x206F, "format character"},
    {0x20D0, 0x20FF, kMark},
    {0x2800, 0x2800, "BRAILLE PATTERN BLANK"},
    {0x3000, 0x3000, "IDEOGRAPHIC SPACE"},
    {0x3164, 0x3164, "HANGUL FILLER"},
    {0xFDD0, 0xFDEF, kNone},
    {0xFE00, 0xFE0F, kVariation},
    {0xFE20, 0xFE2F, kMark},
    {0xFEFF, 0xFEFF, "ZERO WIDTH NO-BREAK SPACE"},
    {0xFFA0, 0xFFA0, "HALFWIDTH HANGUL FILLER"},
    {0xFFF0, 0xFFF8, kReserved},
    {0xFFF9, 0xFFFB, "interlinear annotation"},
    {0x1BCA0, 0x1BCA3, "shorthand format"},
    {0x1D173, 0x1D17A, "musical symbol"},
    {0xE0000, 0xE0000, kReserved},
    {0xE0001, 0xE0001, "LANGUAGE TAG"},
    {0xE0002, 0xE001F, kReserved},
    {0xE0020, 0xE007F, "tag"},
    {0xE0080, 0xE00FF, kReserved},
    {0xE0100, 0xE01EF, kVariation},
    {0xE01F0, 0xE0FFF, kReserved},
};

}  // namespace

const char* invisible_name(char32_t code) {
  const bool is_last_of_plane = (code & 0xFFFEU) == 0xFFFEU;
  if (is_last_of_plane) {
    return kNone;
  }
  const auto* found = std::lower_bound(std::begin(kInvisible), std::end(kInvisible), code,
                                       [](const Invisible& row, char32_t value) { return row.last < value; });
  return found != std::end(kInvisible) && found->first <= code ? found->name : nullptr;
}

}  // namespace qwen3_tts
