#pragma once

#include <optional>
#include <string>

#include <qwen3_tts/audio_format.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// In place of a file's name: standard output.
inline constexpr char kStandardOutput[] = "-";

/// What a sound file of that name holds: what its ending says, or else `otherwise`, or else WAV. kInvalidArgument,
/// without the name, when there is no such format, or this program does not write it.
Result<AudioFormat> format_of_file(const std::string& path, std::optional<AudioFormat> otherwise);

}  // namespace qwen3_tts
