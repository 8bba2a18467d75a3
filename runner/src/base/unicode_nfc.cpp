#include "base/unicode_nfc.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <vector>

#include "base/error.h"

namespace qwen3_tts {

namespace {

constexpr char32_t kMaxCodePoint = 0x10FFFF;
constexpr char32_t kFirstSurrogate = 0xD800, kNumSurrogates = 0x800;
constexpr char32_t kFirstDecomposing = 0xC0;
constexpr char32_t kFirstCombining = 0x300;  // Nothing below it joins the character before: such text is its own NFC.

// Hangul syllables follow a formula (The Unicode Standard, section 3.12).
constexpr char32_t kSyllableBase = 0xAC00, kLeadBase = 0x1100, kVowelBase = 0x1161, kTrailBase = 0x11A7;
constexpr char32_t kNumLeads = 19, kNumVowels = 21, kNumTrails = 28;  // kTrailBase itself stands for "no trail".
constexpr char32_t kNumSyllables = kNumLeads * kNumVowels * kNumTrails;

/// Whether base <= code < base + count.
bool is_in(char32_t code, char32_t base, char32_t count) { return code - base < count; }

/// The range that holds the code point, or nullptr.
template <typename Range>
const Range* find_range(const UnicodeTable<Range>& ranges, char32_t code) {
  const Range* range = std::lower_bound(ranges.begin(), ranges.end(), code,
                                        [](const Range& row, char32_t value) { return row.last < value; });
  return range != ranges.end() && range->first <= code ? range : nullptr;
}

/// The row whose `kCode` is the code point, or nullptr. Rows ascend.
template <auto kCode, typename Row>
const Row* find_row(const UnicodeTable<Row>& rows, char32_t code) {
  const Row* row = std::lower_bound(rows.begin(), rows.end(), code,
                                    [](const Row& entry, char32_t value) { return entry.*kCode < value; });
  return row != rows.end() && row->*kCode == code ? row : nullptr;
}

/// A code point with its combining class, so that each is looked up once.
struct Mark {
  char32_t code;
  uint8_t combining_class;  ///< 0: a starter
};

Mark make_mark(char32_t code) {
  const CombiningRange* range = code < kFirstCombining ? nullptr : find_range(kCombiningRanges, code);
  return {code, range == nullptr ? uint8_t{0} : range->value};
}

void append_decomposed(char32_t code, std::vector<Mark>& marks) {
  if (is_in(code, kSyllableBase, kNumSyllables)) {
    const char32_t index = code - kSyllableBase;
    marks.push_back({kLeadBase + index / (kNumVowels * kNumTrails), 0});
    marks.push_back({kVowelBase + index / kNumTrails % kNumVowels, 0});
    if (index % kNumTrails != 0) {
      marks.push_back({kTrailBase + index % kNumTrails, 0});
    }
    return;
  }
  const Decomposition* row =
      code < kFirstDecomposing ? nullptr : find_row<&Decomposition::whole>(kDecompositions, code);
  if (row == nullptr) {
    marks.push_back(make_mark(code));
    return;
  }
  append_decomposed(row->first, marks);
  if (row->second != 0) {
    marks.push_back(make_mark(row->second));
  }
}

/// Sorts each run of combining marks by class; marks of one class keep their order.
void sort_marks(std::vector<Mark>& marks) {
  const auto is_starter = [](const Mark& mark) { return mark.combining_class == 0; };
  for (auto begin = marks.begin(); begin != marks.end();) {
    const auto end = std::find_if(begin, marks.end(), is_starter);
    std::stable_sort(begin, end, [](const Mark& a, const Mark& b) { return a.combining_class < b.combining_class; });
    begin = std::find_if_not(end, marks.end(), is_starter);
  }
}

/// The character that the pair composes to, or 0.
char32_t compose_pair(char32_t first, char32_t second) {
  if (second < kFirstCombining) {
    return 0;
  }
  if (is_in(first, kLeadBase, kNumLeads) && is_in(second, kVowelBase, kNumVowels)) {
    return kSyllableBase + ((first - kLeadBase) * kNumVowels + second - kVowelBase) * kNumTrails;
  }
  const bool is_open_syllable = is_in(first, kSyllableBase, kNumSyllables) && (first - kSyllableBase) % kNumTrails == 0;
  if (is_open_syllable && is_in(second, kTrailBase + 1, kNumTrails - 1)) {
    return first + second - kTrailBase;
  }
  const uint16_t* row = std::lower_bound(kCompositions.begin(), kCompositions.end(), 0, [&](uint16_t index, int) {
    const Decomposition& entry = kDecompositions.rows[index];
    return entry.first != first ? entry.first < first : entry.second < second;
  });
  if (row == kCompositions.end()) {
    return 0;
  }
  const Decomposition& entry = kDecompositions.rows[*row];
  return entry.first == first && entry.second == second ? entry.whole : 0;
}

std::u32string compose(const std::vector<Mark>& marks) {
  std::u32string text;
  text.reserve(marks.size());
  size_t starter = std::u32string::npos;
  uint8_t last_class = 0;  // Of what stands last in `text`.
  for (const Mark& mark : marks) {
    if (starter != std::u32string::npos) {
      // Something between the two blocks them, unless it is a mark of a lower class.
      const bool is_next = starter + 1 == text.size();
      const char32_t whole =
          is_next || last_class < mark.combining_class ? compose_pair(text[starter], mark.code) : char32_t{0};
      if (whole != 0) {
        text[starter] = whole;
        continue;
      }
    }
    if (mark.combining_class == 0) {
      starter = text.size();
    }
    last_class = mark.combining_class;
    text.push_back(mark.code);
  }
  return text;
}

/// Bytes of the sequence that this lead byte opens, or 0.
size_t sequence_size(uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;  // A continuation, or the lead of an overlong sequence.
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

}  // namespace

std::optional<DecodedChar> decode_char(std::string_view utf8) {
  const size_t size = utf8.empty() ? 0 : sequence_size(static_cast<uint8_t>(utf8[0]));
  if (size == 0 || size > utf8.size()) {
    return std::nullopt;
  }
  char32_t code = static_cast<uint8_t>(utf8[0]);
  if (size > 1) {
    code &= 0x7Fu >> size;
  }
  for (size_t i = 1; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(utf8[i]);
    if ((byte & 0xC0) != 0x80) {
      return std::nullopt;
    }
    code = code << 6 | (byte & 0x3Fu);
  }
  const bool is_overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  if (is_overlong || is_in(code, kFirstSurrogate, kNumSurrogates) || code > kMaxCodePoint) {
    return std::nullopt;
  }
  return DecodedChar{code, size};
}

Result<std::u32string> decode_utf8(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  for (size_t offset = 0; offset < utf8.size();) {
    const std::optional<DecodedChar> decoded = decode_char(utf8.substr(offset));
    if (!decoded) {
      char message[128];
      std::snprintf(message, sizeof(message),
                    "the text is not valid UTF-8 at byte %zu (0x%02X); convert it to UTF-8 first", offset,
                    static_cast<unsigned>(static_cast<uint8_t>(utf8[offset])));
      return invalid_argument(message);
    }
    text.push_back(decoded->code);
    offset += decoded->size;
  }
  return text;
}

void append_utf8(char32_t code, std::string& utf8) {
  const auto append = [&](char32_t byte) { utf8.push_back(static_cast<char>(static_cast<uint8_t>(byte))); };
  if (code < 0x80) {
    append(code);
    return;
  }
  if (code < 0x800) {
    append(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    append(0xE0 | code >> 12);
    append(0x80 | (code >> 6 & 0x3F));
  } else {
    append(0xF0 | code >> 18);
    append(0x80 | (code >> 12 & 0x3F));
    append(0x80 | (code >> 6 & 0x3F));
  }
  append(0x80 | (code & 0x3F));
}

std::u32string to_nfc(std::u32string text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t code) { return code < kFirstCombining; })) {
    return text;
  }
  std::vector<Mark> marks;
  marks.reserve(text.size());
  for (const char32_t code : text) {
    append_decomposed(code, marks);
  }
  sort_marks(marks);
  return compose(marks);
}

std::u32string fold_case(std::u32string_view text) {
  std::u32string folded;
  folded.reserve(text.size());
  for (const char32_t code : text) {
    const CaseFolding* row = find_row<&CaseFolding::code>(kCaseFoldings, code);
    if (row == nullptr) {
      folded.push_back(code);
      continue;
    }
    for (const char32_t* next = row->folded; next != std::end(row->folded) && *next != 0; ++next) {
      folded.push_back(*next);
    }
  }
  return folded;
}

bool is_combining_mark(char32_t code) { return make_mark(code).combining_class != 0; }

CharClass char_class(char32_t code) {
  const ClassRange* range = find_range(kClassRanges, code);
  return range == nullptr ? CharClass::kOther : range->value;
}

}  // namespace qwen3_tts
