#pragma once

#include <string_view>

namespace qwen3_tts {

/// "WAV", "MP3", … when the bytes begin as a recording of that format does, else null.
const char* recording_format(std::string_view bytes);

/// What a file is that people give in place of a voice file, with what to do: "it is …; …". Null when it is none of
/// those that are known.
const char* other_file(std::string_view bytes);

}  // namespace qwen3_tts
