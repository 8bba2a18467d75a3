#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string_view>
#include <vector>

namespace qwen3_tts {

/// How many text tokens valid UTF-8 makes.
using CountTokens = std::function<int64_t(std::string_view utf8)>;

/// What a piece of a text may hold; small enough that a few limits can be added up.
struct PieceLimits {
  static constexpr int64_t kNone = std::numeric_limits<int32_t>::max();

  int64_t max_tokens = kNone;
  int64_t max_sentences = kNone;
};

/// Cuts `utf8`, which is valid, into pieces of at most about `max_tokens` each, to be spoken one after the other: whole
/// sentences, as many as fit, and about the same in each piece where there are few. A sentence that is too long is cut
/// at its clauses, a clause between its words, a word between tokens. No piece begins or ends with whitespace, or is
/// empty; but for whitespace at the joins the pieces together are `utf8`. Counts are added up, so a piece may have a
/// token more than `max_tokens`, or many more if it is one character of many marks.
std::vector<std::string_view> split_text(std::string_view utf8, const PieceLimits& limits, const CountTokens& count);

/// `utf8`, which is valid, without whitespace at its ends.
std::string_view trim(std::string_view utf8);

}  // namespace qwen3_tts
