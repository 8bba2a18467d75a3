#include "base/names.h"

namespace qwen3_tts {

const char* to_string(VoiceMode mode) { return name_of(mode); }

const char* to_string(TextLayout layout) { return name_of(layout); }

const char* to_string(LongText choice) { return name_of(choice); }

const char* to_string(FinishReason reason) { return name_of(reason); }

}  // namespace qwen3_tts
