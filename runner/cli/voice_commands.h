#pragma once

#include <qwen3_tts/result.h>

#include "console.h"
#include "voice_options.h"

namespace qwen3_tts {

/// Does what the command line says. Of `list`, an error follows the voices that could be read.
Status run_voice_command(const VoiceProgramOptions& options, Console& console);

}  // namespace qwen3_tts
