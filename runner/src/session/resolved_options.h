#pragma once

#include <cstdint>
#include <optional>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

#include "base/draw_options.h"

namespace qwen3_tts {

/// SynthesisOptions with the checkpoint's defaults filled in, and checked.
struct ResolvedOptions {
  TextLayout text_layout;
  LongText long_text;
  double paragraph_pause;  ///< Seconds.
  int64_t max_new_tokens;
  bool limits_utterance;  ///< max_new_tokens was given: it counts over all pieces, the checkpoint's own for each.
  std::optional<int64_t> frame_budget;  ///< 0: off. Unset: from the length of the text.
  DrawOptions draw;
  int64_t first_chunk_frames;
  int64_t chunk_frames;
  bool trim_silence;
  bool codes_only;
  int64_t ahead;
};

/// Errors name the option and its value.
Result<ResolvedOptions> resolve_options(const SynthesisOptions& options, const ModelMetadata& metadata);

}  // namespace qwen3_tts
