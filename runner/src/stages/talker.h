#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "base/draw_options.h"
#include "base/sampler.h"
#include "program/mapped_tensor.h"
#include "program/program.h"

namespace qwen3_tts {

/// What the talker keeps of one utterance.
struct TalkerState {
  std::optional<MappedTensor>
      kv;  ///< Never cleared: positions beyond the current one are not read. None: the program's.
  int64_t position = 0;            ///< Rows read: where the next one goes.
  std::vector<float> logits;       ///< [V] of the last row.
  std::vector<float> hidden;       ///< [H] of the last row, after the final norm; the code predictor reads it.

  /// Keys and values of the rows so far, position by position of every head.
  Snapshot snapshot() const;
  size_t snapshot_bytes(int64_t num_rows) const;
  /// Takes them in place of reading `num_rows` rows.
  void restore(const Snapshot& snapshot, int64_t num_rows);
};

/// The language model: reads rows, gives code 0 of every frame.
class Talker {
 public:
  /// Borrows `program`, and `metadata`.
  Talker(Program& program, const ModelMetadata& metadata);
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  /// The state of an utterance; when `program_keeps_kv`, without keys and values.
  Result<TalkerState> create_state(bool program_keeps_kv) const;

  /// Reads rows after those so far: [num_rows, H], at most max_rows of them.
  Status read(TalkerState& state, const float* rows, int64_t num_rows);

  /// Reads one more row, the sum of two: [H] each.
  Status step(TalkerState& state, const float* frame_embedding, const float* text_row);

  /// Draws the next token from what the last row gave: not the end before `draw.min_new_tokens` of them. `tokens`:
  /// those drawn before it in this piece.
  Result<int64_t> sample(TalkerState& state, const DrawOptions& draw, const std::vector<int64_t>& tokens,
                         float uniform);

 private:
  /// `rows`: [num_rows, H].
  Status run(const executorch::aten::Tensor& rows, TalkerState& state);
  /// When the program keeps the state: by a method that takes max_rows rows, with padding before them.
  Status read_padded(TalkerState& state, const float* rows, int64_t num_rows);

  Program& program_;
  int64_t hidden_size_;
  int64_t vocab_size_;
  int64_t max_rows_;
  std::string method_;
  std::string prefill_method_;
  std::vector<float> row_;
  std::vector<float> padded_rows_;  ///< [max_rows, H] once there was something to pad.
  executorch::extension::TensorPtr row_tensor_;
  TalkerLogitsProcessor processor_;
  Sampler sampler_;
};

}  // namespace qwen3_tts
