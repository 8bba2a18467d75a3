#pragma once

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// An error when this program was built without the library's component audio, and so reads no recordings: it says how
/// to get one that does.
Status check_audio_component();

}  // namespace qwen3_tts
