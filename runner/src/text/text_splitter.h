#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace qwen3_tts {

/// How many text tokens valid UTF-8 makes.
using CountTokens = std::function<int64_t(std::string_view utf8)>;

/// Cuts `utf8`, which is valid, into pieces of at most about `max_tokens` each, to be spoken one after the other: whole
/// sentences, as many as fit, and about the same in each piece where there are few. A sentence that is too long is cut
/// at its clauses, a clause between its words, a word between tokens. No piece begins or ends with whitespace, or is
/// empty; but for whitespace at the joins the pieces together are `utf8`. Counts are added up, so a piece may have a
/// token more than `max_tokens`, or many more if it is one character of many marks.
std::vector<std::string_view> split_text(std::string_view utf8, int64_t max_tokens, const CountTokens& count);

}  // namespace qwen3_tts
