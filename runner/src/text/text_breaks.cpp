#include "text/text_breaks.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "base/unicode_nfc.h"
#include "base/unicode_tables.h"

namespace qwen3_tts {
namespace {

constexpr std::u32string_view kWideStops = U"。！？；｡．";  // End a sentence without a space behind them.
constexpr std::u32string_view kStops = U".!?…";
constexpr std::u32string_view kWideCommas = U"，、：､—…";
constexpr std::u32string_view kCommas = U",;:–!?";
constexpr std::u32string_view kClosers = U")]}”’）］｝】』」》〉〕";
constexpr std::u32string_view kQuotes = U"\"'“«»‘";  // Close after one language's stop and open in another.
constexpr std::u32string_view kDashes = U"-–—";
constexpr char32_t kFirstBeyondAlphabets = 0x530;    // Latin, Greek and Cyrillic letters stand below.

/// Words in front of a full stop that rarely ends a sentence, ascending.
constexpr std::array<std::u32string_view, 41> kAbbreviations = {
    U"avv", U"bzw", U"ca",  U"capt", U"col", U"corp", U"dott", U"dr",  U"dra",  U"evtl", U"fig",
    U"gen", U"hr",  U"ing", U"jr",   U"lt",  U"ltd",  U"mlle", U"mme", U"mr",   U"mrs",  U"ms",
    U"mt",  U"nr",  U"pp",  U"prof", U"rev", U"sig",  U"sr",   U"sra", U"srta", U"st",   U"str",
    U"uds", U"vgl", U"vol", U"vs",   U"гг",  U"им",   U"проф", U"ул",
};

bool is_one_of(std::u32string_view set, char32_t code) { return set.find(code) != std::u32string_view::npos; }

bool is_in(char32_t code, char32_t first, char32_t last) { return first <= code && code <= last; }

/// Of the ten languages.
bool is_small_letter(char32_t code) {
  return is_in(code, U'a', U'z') || (is_in(code, U'ß', U'ÿ') && code != U'÷') || code == U'œ' ||
         is_in(code, U'а', U'џ');
}

/// Of Latin and Cyrillic capitals without accents.
char32_t to_small(char32_t code) { return is_in(code, U'A', U'Z') || is_in(code, U'А', U'Я') ? code + 0x20 : code; }

/// Letters of scripts that put no space between sentences.
bool is_ideograph_or_kana(char32_t code) {
  return is_in(code, 0x3040, 0x30FF) || is_in(code, 0x3400, 0x9FFF) || is_in(code, 0x20000, 0x3FFFF);
}

/// Does the character belong to the one before it, whichever that is?
bool extends(char32_t code) {
  const bool is_vowel_or_trail_jamo = is_in(code, 0x1160, 0x11FF);
  const bool is_variation_selector = is_in(code, 0xFE00, 0xFE0F) || is_in(code, 0xE0100, 0xE01EF);
  const bool is_tag = is_in(code, 0xE0020, 0xE007F);
  const bool is_skin_tone = is_in(code, 0x1F3FB, 0x1F3FF);
  const bool is_enclosing_mark = is_in(code, 0x20DD, 0x20E4);
  return is_vowel_or_trail_jamo || is_variation_selector || is_tag || is_skin_tone || is_enclosing_mark ||
         code == 0x200D || is_combining_mark(code);
}

bool is_regional_indicator(char32_t code) { return is_in(code, 0x1F1E6, 0x1F1FF); }

/// A text and where it may be cut. `at` is always the index of the first character behind the cut.
class BreakFinder {
 public:
  explicit BreakFinder(const std::u32string& text) : text_(text) {}

  bool is_break(size_t at, TextBreak kind) const {
    switch (kind) {
      case TextBreak::kParagraph:
        return !is_space(at) && begins_paragraph(at);
      case TextBreak::kSentence:
        return !is_space(at) && ends_sentence(at);
      case TextBreak::kClause:
        return !is_space(at) && ends_clause(at);
      case TextBreak::kWord:
        return !is_space(at) && is_space(at - 1);
      case TextBreak::kCharacter:
        return !joins(at);
    }
    return false;
  }

 private:
  bool begins_paragraph(size_t at) const { return num_line_breaks(visible_end(at), at) > 1; }

  bool ends_sentence(size_t at) const {
    if (begins_paragraph(at)) {
      return true;
    }
    const size_t end = visible_end(at);
    const char32_t mark = closes(at) ? 0 : last_mark(at);
    if (is_one_of(kWideStops, mark)) {
      return mark != U'．' || char_class(text_[at]) != CharClass::kNumber;
    }
    if (end == at) {
      return (mark == U'!' || mark == U'?') && is_ideograph_or_kana(text_[at]);
    }
    return is_one_of(kStops, mark) && !goes_on_small(at) && (mark != U'.' || !is_abbreviation(mark_end(at) - 1));
  }

  bool ends_clause(size_t at) const {
    const size_t end = visible_end(at);
    if (num_line_breaks(end, at) > 0 && !goes_on_small(at)) {  // Lines of a paragraph that was wrapped go on small.
      return true;
    }
    const char32_t mark = closes(at) || is_one_of(kWideCommas, text_[at]) ? 0 : last_mark(at);
    if (is_one_of(kDashes, mark) && begins_line(mark_end(at) - 1)) {  // Somebody speaks, or a list has an item.
      return false;
    }
    return is_one_of(kWideCommas, mark) || (end < at && is_one_of(kCommas, mark));
  }

  bool begins_line(size_t at) const {
    const size_t end = visible_end(at);
    return end == 0 || num_line_breaks(end, at) > 0;
  }

  bool joins(size_t at) const {
    const char32_t before = text_[at - 1];
    const bool is_line_end = before == U'\r' && text_[at] == U'\n';
    return extends(text_[at]) || before == 0x200D || is_line_end || ends_flag(at);
  }

  /// A flag is two regional indicators: those that stand together pair up from the first one on.
  bool ends_flag(size_t at) const {
    size_t first = at;
    while (first > 0 && at - first < kMaxFlagCharacters && is_regional_indicator(text_[first - 1])) {
      --first;
    }
    return is_regional_indicator(text_[at]) && (at - first) % 2 == 1;
  }

  static constexpr size_t kMaxFlagCharacters = 64;  ///< Of a row of flags; a longer one may be cut inside a flag.

  bool is_space(size_t at) const { return char_class(text_[at]) == CharClass::kSpace; }

  bool is_letter_or_number(size_t at) const {
    const CharClass value = at < text_.size() ? char_class(text_[at]) : CharClass::kOther;
    return value == CharClass::kLetter || value == CharClass::kNumber;
  }

  /// Where the whitespace before `at` begins.
  size_t visible_end(size_t at) const {
    while (at > 0 && is_space(at - 1)) {
      --at;
    }
    return at;
  }

  int64_t num_line_breaks(size_t begin, size_t end) const {
    return std::count(text_.begin() + static_cast<std::ptrdiff_t>(begin),
                      text_.begin() + static_cast<std::ptrdiff_t>(end), U'\n');
  }

  /// Does the character at `at` belong to what stands before it? French sets « words » apart; any other quotation mark
  /// behind a space opens.
  bool closes(size_t at) const {
    const char32_t code = text_[at];
    if (is_one_of(kQuotes, code)) {
      return (code == U'»' || !is_space(at - 1)) && !is_letter_or_number(at + 1);
    }
    return is_one_of(kClosers, code) || is_one_of(kStops, code) || is_one_of(kWideStops, code);
  }

  /// Index behind the last character before `at` that is no space, closing quote or bracket.
  size_t mark_end(size_t at) const {
    size_t end = visible_end(at);
    while (end > 0 && is_closer(end - 1)) {
      const bool is_set_apart = text_[end - 1] == U'»';
      --end;
      end = is_set_apart ? visible_end(end) : end;
    }
    return end;
  }

  /// A quotation mark with a word right behind it is none.
  bool is_closer(size_t at) const {
    return is_one_of(kClosers, text_[at]) || (is_one_of(kQuotes, text_[at]) && !is_letter_or_number(at + 1));
  }

  char32_t last_mark(size_t at) const {
    const size_t end = mark_end(at);
    return end == 0 ? 0 : text_[end - 1];
  }

  /// Does a small letter follow, or a dash and a small letter?
  bool goes_on_small(size_t at) const {
    while (at + 1 < text_.size() && (is_one_of(kDashes, text_[at]) || is_space(at))) {
      ++at;
    }
    return is_small_letter(text_[at]);
  }

  /// Is the full stop behind `stop` one of "J. S. Bach", "Dr. No", "3. Oktober"?
  bool is_abbreviation(size_t stop) const {
    size_t begin = stop;
    while (begin > 0 && is_letter_or_number(begin - 1)) {
      --begin;
    }
    std::u32string word = text_.substr(begin, stop - begin);
    std::transform(word.begin(), word.end(), word.begin(), to_small);
    const bool is_number = std::all_of(word.begin(), word.end(), [](char32_t code) { return is_in(code, U'0', U'9'); });
    if (is_number) {  // An ordinal, unless it is a decimal's end.
      return !word.empty() && word.size() < 3 && (begin == 0 || is_space(begin - 1));
    }
    const bool is_initial = word.size() == 1 && word[0] < kFirstBeyondAlphabets;
    return is_initial || std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), word);
  }

  const std::u32string& text_;
};

}  // namespace

std::vector<std::string_view> cut_text(std::string_view utf8, TextBreak kind) {
  const auto decoded = decode_utf8(utf8);
  if (!decoded.ok() || utf8.empty()) {
    return {utf8};
  }
  const BreakFinder finder(*decoded);
  std::vector<std::string_view> parts;
  size_t begin = 0;
  size_t offset = 0;
  for (size_t at = 1; at < decoded->size(); ++at) {
    offset += decode_char(utf8.substr(offset))->size;
    if (finder.is_break(at, kind)) {
      parts.push_back(utf8.substr(begin, offset - begin));
      begin = offset;
    }
  }
  parts.push_back(utf8.substr(begin));
  return parts;
}

size_t decided_end(std::string_view utf8) {
  size_t last = 0;  // Of what was read, the last character that decides; counts once another stands behind it.
  size_t decided = 0;
  for (size_t at = 0; at < utf8.size();) {
    const auto character = decode_char(utf8.substr(at));
    if (!character.has_value()) {
      break;
    }
    decided = last;
    const bool decides = char_class(character->code) != CharClass::kSpace && !is_one_of(kDashes, character->code);
    last = decides ? at : last;
    at += character->size;
  }
  return decided;
}

bool has_words(std::string_view utf8) {
  while (const auto decoded = decode_char(utf8)) {
    const CharClass value = char_class(decoded->code);
    if (value == CharClass::kLetter || value == CharClass::kNumber) {
      return true;
    }
    utf8.remove_prefix(decoded->size);
  }
  return false;
}

}  // namespace qwen3_tts
