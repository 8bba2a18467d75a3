#pragma once

#include <cstdint>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>
#include <qwen3_tts/voice.h>

#include "text/prompt_plan.h"

namespace qwen3_tts {

/// Turns ids into rows of the talker's width H.
class RowSource {
 public:
  virtual ~RowSource() = default;
  /// `rows`: [num_ids, H]. Ids of the text vocabulary.
  virtual Status encode_text(const int64_t* ids, int64_t num_ids, float* rows) = 0;
  /// `rows`: [num_ids, H]. Ids of the stacked code table: group_offsets[group] + code.
  virtual Status codec_embed(const int64_t* ids, int64_t num_ids, float* rows) = 0;
};

/// What the talker reads.
struct Prompt {
  std::vector<float> rows;  ///< [num_rows, H]
  int64_t num_rows = 0;         ///< Without those that were left out.
  std::vector<float> trailing;  ///< [num_trailing, H]
  int64_t num_trailing = 0;
  std::vector<float> pad_row;  ///< [H] added to every frame once the trailing rows are used up.

  /// The text row that goes with frame `index`: [H].
  const float* text_row(int64_t index) const {
    return index < num_trailing ? trailing.data() + index * static_cast<int64_t>(pad_row.size()) : pad_row.data();
  }
};

/// Computes the rows of `plan` but for the first `num_known` ones. `voice` is that of the request it was planned for,
/// or null.
Result<Prompt> build_prompt(const PromptPlan& plan, int64_t num_known, const Voice* voice,
                            const ModelMetadata& metadata, RowSource& source);

}  // namespace qwen3_tts
