#pragma once

#include <string>
#include <string_view>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Some editors put it before a text in UTF-8.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// Refuses bytes that are text in another encoding than UTF-8, as far as a byte order mark or the places of NUL bytes
/// tell, and any other NUL. Other bytes that are no UTF-8 pass: to decode them is an error.
Status check_encoding(std::string_view bytes);

/// Is there a character that is not invisible (invisible_characters.h)? Bytes that are no UTF-8 count as one.
bool has_something_to_say(std::string_view utf8);

/// check_encoding(), and refuses text that has nothing to say, with what there is in place of it.
Status check_text(std::string_view utf8);

/// "U+0061 U+0301 U+0301 and 2997 more": the first code points of UTF-8, by their numbers.
std::string describe_start(std::string_view utf8);

}  // namespace qwen3_tts
