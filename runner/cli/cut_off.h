#pragma once

#include <string>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/stats.h>

namespace qwen3_tts {

/// What ended the speech before its own end, and what to do about it: of a run that a limit cut off.
std::string describe_cut(const SynthesisStats& stats, const SynthesisOptions& options, const ModelMetadata& metadata);

}  // namespace qwen3_tts
