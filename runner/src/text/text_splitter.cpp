#include "text/text_splitter.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>

#include "base/unicode_nfc.h"
#include "text/text_breaks.h"

namespace qwen3_tts {
namespace {

struct Part {
  std::string_view text;
  int64_t num_tokens;
};

/// From `first` to the end of `last`, which stands behind it in the same text. None is empty.
std::string_view span(std::string_view first, std::string_view last) {
  const char* begin = &first.front();
  return {begin, static_cast<size_t>(&last.back() + 1 - begin)};
}

int64_t divided_up(int64_t count, int64_t by) { return (count + by - 1) / by; }

/// Joins neighbours to as few parts as their tokens and their number need, all about equally long.
std::vector<Part> join(const std::vector<Part>& parts, int64_t max_tokens, int64_t max_parts = PieceLimits::kNone) {
  int64_t rest = 0;
  for (const Part& part : parts) {
    rest += part.num_tokens;
  }
  std::vector<Part> joined;
  for (auto part = parts.begin(); part != parts.end();) {
    const int64_t num_parts = parts.end() - part;
    const int64_t num_pieces = std::max<int64_t>({divided_up(rest, max_tokens), divided_up(num_parts, max_parts), 1});
    const auto first = part;
    Part piece = *part++;
    // One more when that fits, and comes nearer to an equal share.
    while (part != parts.end() && part - first < max_parts && piece.num_tokens + part->num_tokens <= max_tokens &&
           (2 * piece.num_tokens + part->num_tokens) * num_pieces <= 2 * rest) {
      piece = {span(piece.text, part->text), piece.num_tokens + part->num_tokens};
      ++part;
    }
    rest -= piece.num_tokens;
    joined.push_back(piece);
  }
  return joined;
}

class Splitter {
 public:
  Splitter(const PieceLimits& limits, const CountTokens& count) : limits_(limits), count_(count) {}

  /// Parts of `text` that fit, cut at breaks of `kind` and, where that is not enough, of the kinds that come after it.
  std::vector<Part> split(std::string_view text, TextBreak kind) const {
    std::vector<Part> parts;
    for (const std::string_view part : cut_text(text, kind)) {
      const int64_t num_tokens = count_(part);
      if (num_tokens <= limits_.max_tokens) {
        parts.push_back({part, num_tokens});
        continue;
      }
      const auto smaller =
          kind == TextBreak::kWord ? split_word(part) : split(part, static_cast<TextBreak>(static_cast<int>(kind) + 1));
      parts.insert(parts.end(), smaller.begin(), smaller.end());
    }
    return join(parts, limits_.max_tokens, kind == TextBreak::kSentence ? limits_.max_sentences : PieceLimits::kNone);
  }

 private:
  /// Between tokens, and anywhere between characters where a run of them is one token that is too long.
  std::vector<Part> split_word(std::string_view word) const {
    const auto characters = cut_text(word, TextBreak::kCharacter);
    std::vector<Part> parts;
    for (size_t begin = 0; begin < characters.size();) {
      size_t end = begin + 1;
      while (end < characters.size() && end - begin < kMaxRun && tears_token(characters, end)) {
        ++end;
      }
      if (count_(span(characters[begin], characters[end - 1])) > limits_.max_tokens) {
        end = begin + 1;
      }
      const std::string_view text = span(characters[begin], characters[end - 1]);
      parts.push_back({text, count_(text)});
      begin = end;
    }
    return join(parts, limits_.max_tokens);
  }

  /// Would a cut before the character at `at` make more tokens of its neighbourhood?
  bool tears_token(const std::vector<std::string_view>& characters, size_t at) const {
    const std::string_view left = span(characters[at - std::min(at, kNeighbours)], characters[at - 1]);
    const std::string_view right = span(characters[at], characters[std::min(at + kNeighbours, characters.size()) - 1]);
    return count_(left) + count_(right) > count_(span(left, right));
  }

  static constexpr size_t kNeighbours = 8;  ///< Characters: few tokens are longer.
  static constexpr size_t kMaxRun = 32;     ///< Characters of one part, such as a row of dashes.

  PieceLimits limits_;
  const CountTokens& count_;
};

bool begins_with_space(std::string_view utf8) {
  const auto decoded = decode_char(utf8);
  return decoded.has_value() && char_class(decoded->code) == CharClass::kSpace;
}

}  // namespace

std::string_view trim(std::string_view utf8) {
  while (begins_with_space(utf8)) {
    utf8.remove_prefix(decode_char(utf8)->size);
  }
  for (size_t last = utf8.size(); last-- > 0;) {
    const bool is_inside_character = (static_cast<uint8_t>(utf8[last]) & 0xC0U) == 0x80U;
    if (is_inside_character) {
      continue;
    }
    if (!begins_with_space(utf8.substr(last))) {
      break;
    }
    utf8 = utf8.substr(0, last);
  }
  return utf8;
}

std::vector<std::string_view> split_text(std::string_view utf8, const PieceLimits& limits, const CountTokens& count) {
  std::vector<std::string_view> pieces;
  for (const Part& part : Splitter(limits, count).split(utf8, TextBreak::kSentence)) {
    if (const std::string_view piece = trim(part.text); !piece.empty()) {
      pieces.push_back(piece);
    }
  }
  return pieces;
}

}  // namespace qwen3_tts
