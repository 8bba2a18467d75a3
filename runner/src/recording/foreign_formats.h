#pragma once

#include <string>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

class ByteSource;

/// How to make a WAV of the file with ffmpeg: "ffmpeg -i 'talk.m4a' 'talk.wav'".
std::string conversion_of(const ByteSource& source);

/// kInvalidArgument, with the format's name and the remedy, for formats that people bring and nothing here reads.
Status refuse_foreign(const ByteSource& source);

}  // namespace qwen3_tts
