#pragma once

#include <cstddef>
#include <cstdint>

namespace qwen3_tts {

/// What the Qwen2 split asks of a character: \p{L}, \p{N}, \s or none of them.
enum class CharClass : uint8_t { kOther, kLetter, kNumber, kSpace };

/// Characters of one class; those in no range are kOther.
struct ClassRange {
  char32_t first, last;
  CharClass value;
};

/// Characters of one canonical combining class; those in no range are starters (class 0).
struct CombiningRange {
  char32_t first, last;
  uint8_t value;
};

/// One step of a canonical decomposition; `first` may decompose further, `second` does not and is 0 in a singleton.
struct Decomposition {
  char32_t whole, first, second;
};

/// What a character becomes where case does not matter: up to three characters, 0 behind the last one.
struct CaseFolding {
  char32_t code;
  char32_t folded[3];
};

template <typename Row>
struct UnicodeTable {
  const Row* rows;
  size_t size;

  const Row* begin() const { return rows; }
  const Row* end() const { return rows + size; }
};

// Defined in unicode_tables.cpp, which scripts/generate_unicode_tables.py writes. Without the Hangul syllables.
extern const UnicodeTable<ClassRange> kClassRanges;          ///< Ascending.
extern const UnicodeTable<CombiningRange> kCombiningRanges;  ///< Ascending.
extern const UnicodeTable<Decomposition> kDecompositions;    ///< By `whole`.
extern const UnicodeTable<uint16_t> kCompositions;  ///< Rows of kDecompositions that compose, by (first, second).
extern const UnicodeTable<CaseFolding> kCaseFoldings;  ///< Unicode's full case folding (C + F); by `code`.

}  // namespace qwen3_tts
