#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/request.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

class TextTokenizer;

/// The ids of what the user wrote.
struct PromptText {
  std::vector<int64_t> body;      ///< Never empty.
  std::vector<int64_t> instruct;  ///< Empty: none.
};

/// Refuses empty text and invalid UTF-8.
Result<PromptText> tokenize_request(const SynthesisRequest& request, const TextTokenizer& tokenizer);

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
  int64_t num_context_frames = 0;  ///< Frames of the voice that the speech goes on from; 0: not in context.
  std::vector<int64_t> trailing_ids;  ///< Text ids fed one a frame after the prompt; then tts_pad for ever.
};

/// Chooses language, speaker and layout. Errors list what the model offers.
Result<PromptPlan> plan_prompt(const PromptText& text, const SynthesisRequest& request, TextLayout layout,
                               const ModelMetadata& metadata);

}  // namespace qwen3_tts
