#include "text/text_stream.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/try.h"
#include "base/unicode_nfc.h"
#include "text/text_breaks.h"
#include "text/text_checks.h"

namespace qwen3_tts {
namespace {

/// Fewer are a poor beginning: "Well," has two.
constexpr int64_t kFewestFirstTokens = 5;

/// Bytes that are looked at first; most parts are shorter.
constexpr size_t kWindow = 1024;

/// Bytes of a part: a text without any break must end somewhere.
constexpr size_t kLongestPart = size_t{1} << 14;

bool is_continuation(char byte) { return (static_cast<uint8_t>(byte) & 0xC0U) == 0x80U; }

/// Bytes of the character that `lead` begins; 1 where it begins none.
size_t char_size(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  if (byte < 0xC2U || byte > 0xF4U) {
    return 1;
  }
  if (byte < 0xE0U) {
    return 2;
  }
  return byte < 0xF0U ? 3 : 4;
}

/// Where a character begins at the end of `bytes` that is not complete; else their size.
size_t complete_size(std::string_view bytes) {
  size_t begin = bytes.size();
  for (size_t i = 0; i < std::min<size_t>(bytes.size(), 3); ++i) {
    --begin;
    if (!is_continuation(bytes[begin])) {
      return bytes.size() - begin < char_size(bytes[begin]) ? begin : bytes.size();
    }
  }
  return bytes.size();
}

/// Does a bracket open before `at`, near enough for a pause, that does not close?
bool is_inside_brackets(std::string_view utf8, size_t at) {
  constexpr size_t kLongestTag = 64;
  const std::string_view before = utf8.substr(at - std::min(at, kLongestTag), std::min(at, kLongestTag));
  const size_t last = before.find_last_of("[]<>");
  return last != std::string_view::npos && (before[last] == '[' || before[last] == '<');
}

/// The breaks of `utf8` up to `end`: offset -> the best kind.
std::map<size_t, TextBreak> breaks_of(std::string_view utf8, size_t end) {
  std::map<size_t, TextBreak> breaks;
  for (const TextBreak kind : {TextBreak::kWord, TextBreak::kClause, TextBreak::kSentence}) {
    size_t at = 0;
    for (const std::string_view part : cut_text(utf8, kind)) {
      at += part.size();
      if (at <= end && at < utf8.size()) {
        breaks[at] = kind;
      }
    }
  }
  return breaks;
}

}  // namespace

TextStream::TextStream(const PieceLimits& limits, CountTokens count, bool has_markup)
    : limits_(limits), count_(std::move(count)), has_markup_(has_markup) {}

Status TextStream::take(std::string_view bytes) {
  RETURN_IF_ERROR(check_encoding(bytes));
  const size_t begin = num_bytes_ - undecoded_.size();
  num_bytes_ += bytes.size();
  undecoded_ += bytes;
  const size_t size = complete_size(undecoded_);
  const std::string_view complete = std::string_view(undecoded_).substr(0, size);
  if (!decode_utf8(complete).ok()) {
    return about("text, behind byte " + std::to_string(begin), Status(decode_utf8(complete).error()));
  }
  text_ += begin == 0 && complete.substr(0, kByteOrderMark.size()) == kByteOrderMark
               ? complete.substr(kByteOrderMark.size())
               : complete;
  undecoded_.erase(0, size);
  return {};
}

Result<std::vector<std::string>> TextStream::append(std::string_view bytes) {
  RETURN_IF_ERROR(take(bytes));
  return cut_parts(false);
}

Result<std::vector<std::string>> TextStream::finish() {
  if (!undecoded_.empty()) {
    return invalid_argument("text: the last character is cut off; append the rest of its bytes before the end");
  }
  return cut_parts(true);
}

/// A longer window decides the same, so it grows only as it must.
std::vector<std::string> TextStream::cut_parts(bool is_all) {
  std::vector<std::string> parts;
  size_t window = kWindow;
  while (!text_.empty()) {
    const bool is_whole = window >= text_.size();
    const size_t size = is_whole ? text_.size() : complete_size(std::string_view(text_).substr(0, window));
    const size_t end = part_end(std::string_view(text_).substr(0, size), is_whole && is_all);
    if (end == 0 && is_whole) {
      break;
    }
    if (end == 0) {
      window *= 2;
      continue;
    }
    parts.push_back(text_.substr(0, end));
    text_.erase(0, end);
    is_first_ = is_first_ && !has_words(parts.back());
    window = kWindow;
  }
  return parts;
}

/// Where the first part of `window` ends; 0: that is not known before more is.
size_t TextStream::part_end(std::string_view window, bool is_all) const {
  const auto count = [&](size_t end) { return count_(window.substr(0, end)); };
  // A token has a byte at least.
  const auto is_too_long = [&](size_t end) {
    return static_cast<int64_t>(end) > limits_.max_tokens && count(end) > limits_.max_tokens;
  };
  const size_t decided = is_all ? window.size() : decided_end(window);
  auto breaks = breaks_of(window, std::min(decided, kLongestPart));
  if (is_all && window.size() <= kLongestPart) {
    breaks[window.size()] = TextBreak::kSentence;
  }
  size_t clause = 0;
  size_t word = 0;
  for (const auto& [at, kind] : breaks) {
    if (has_markup_ && is_inside_brackets(window, at)) {
      continue;
    }
    if (is_too_long(at) && (clause > 0 || word > 0)) {
      return clause > 0 ? clause : word;
    }
    const bool is_first_clause = is_first_ && kind == TextBreak::kClause && count(at) >= kFewestFirstTokens;
    if (kind == TextBreak::kSentence || is_first_clause || is_too_long(at)) {
      return at;
    }
    (kind == TextBreak::kClause ? clause : word) = at;
  }
  if (decided <= kLongestPart) {
    return 0;
  }
  const size_t last = clause > 0 ? clause : word;
  return last > 0 ? last : complete_size(window.substr(0, kLongestPart));
}

}  // namespace qwen3_tts
