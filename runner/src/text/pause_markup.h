#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Of one pause, in seconds.
inline constexpr double kLongestPause = 60;

/// What is said between two pauses.
struct Stretch {
  std::string_view text;    ///< Of several without whitespace at its ends, and empty when it has no words.
  double pause_before = 0;  ///< Seconds.
};

/// Cuts valid UTF-8 at its pauses: `[pause 500ms]`, `[pause 1.5s]`, `<break time="500ms"/>`. All else is text. Without
/// a pause it is one stretch, as it came. An error shows what is malformed, and where.
Result<std::vector<Stretch>> read_pauses(std::string_view utf8);

/// The text alone, without its pauses. They can be read.
std::string without_pauses(std::string_view utf8);

}  // namespace qwen3_tts
