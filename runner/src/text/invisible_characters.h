#pragma once

namespace qwen3_tts {

/// What a character is called of which nobody can see or say anything by itself: white space, controls, Unicode's
/// default ignorables (such as variation selectors and direction marks), noncharacters, and accents without a letter
/// below them. Null for any other, as for punctuation, emoji and vowel signs, which models do speak.
const char* invisible_name(char32_t code);

}  // namespace qwen3_tts
