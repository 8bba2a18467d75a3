#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>

#include "text/resolved_request.h"

namespace qwen3_tts {

/// One position of the prompt: a text row, to which at most one of the others is added.
struct PlannedRow {
  static constexpr int64_t kNone = -1;

  int64_t text_id;
  int64_t code_row = kNone;  ///< A row of the stacked code table.
  int64_t frame = kNone;     ///< A frame of the voice's codes: the sum of its groups' rows.
  bool is_voice = false;     ///< The voice's x-vector.
};

/// Everything about a prompt but the numbers in its rows.
struct PromptPlan {
  std::vector<PlannedRow> rows;
  int64_t num_prefix_rows = 0;     ///< Rows at the begin in which the text to speak has no part; not all rows.
  std::vector<int64_t> trailing_ids;  ///< Text ids fed one a frame after the prompt; then tts_pad for ever.
};

/// The prompt of a text, or of a piece of it. `body`: its ids, at least one.
PromptPlan plan_prompt(const ResolvedRequest& request, const std::vector<int64_t>& body, TextLayout layout,
                       const ModelMetadata& metadata);

}  // namespace qwen3_tts
