#pragma once

#include <string>

#include "voice/safetensors.h"

namespace qwen3_tts {

/// Where a voice file keeps its digest.
inline constexpr char kDigestKey[] = "digest";

/// What a voice file says, as 16 hexadecimal digits: XXH3 (64 bits) of `format`, `format_version`, `name`, `language`,
/// `hidden_size` and `model_type`, then of `x_vector`, `codes` and `text_ids` as far as there are any: each as its
/// name, its value or its shape ("4,16"), both followed by a zero byte, and the tensor's bytes. qwen3_tts/voice.py
/// forms it, too.
std::string voice_digest(const SafeTensors& file);

}  // namespace qwen3_tts
