#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace qwen3_tts {

/// Where a text may be cut, best first.
enum class TextBreak {
  kParagraph,  ///< At blank lines.
  kSentence,   ///< After a full stop and what closes with it, and at blank lines.
  kClause,     ///< After a comma and the like, and where a line begins that does not go on small.
  kWord,       ///< After whitespace.
  kCharacter,  ///< Between characters as readers see them: an accent, a syllable's jamo or a flag stays whole.
};

/// The parts of `utf8`, which is valid, between its breaks of one kind; joined they are `utf8`, byte for byte.
/// Whitespace at a break ends the part before it. Knows the punctuation of the ten languages of the published models,
/// and errs towards no break: a stop before a small letter, or after an initial or a usual abbreviation, ends nothing.
std::vector<std::string_view> cut_text(std::string_view utf8, TextBreak kind);

/// How far more text behind `utf8` cannot move a break: the offset of the last character before which it is decided
/// whether there is one, of every kind but kCharacter. That takes the next character that is neither a space nor a
/// dash, and the one behind it. 0: none is decided.
size_t decided_end(std::string_view utf8);

/// Is there anything to say in it: a letter or a number?
bool has_words(std::string_view utf8);

}  // namespace qwen3_tts
