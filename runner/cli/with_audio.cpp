#include "audio_component.h"

namespace qwen3_tts {

Status check_audio_component() { return {}; }

}  // namespace qwen3_tts
