#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "base/sampler.h"
#include "program/mapped_tensor.h"
#include "program/program.h"

namespace qwen3_tts {

/// The language model over one utterance: reads rows, gives code 0 of every frame.
class Talker {
 public:
  /// Borrows `program`, which may keep keys and values itself.
  static Result<std::unique_ptr<Talker>> create(Program& program, const ModelMetadata& metadata, bool keeps_state);
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  /// Begins an utterance of at most `max_tokens`.
  void reset(int64_t max_tokens);

  /// Reads rows of the prompt after those so far: [num_rows, H]. How a prompt is cut into calls may change the last
  /// bits of what comes of it.
  Status read(const float* rows, int64_t num_rows);

  /// What there is to remember of the rows so far, position by position of every head. Not of a program that keeps its
  /// state: there is nothing to be had.
  Snapshot state() const;
  size_t state_bytes(int64_t num_rows) const;

  /// Takes the state after `num_rows` rows in place of reading them.
  void set_state(const Snapshot& state, int64_t num_rows);

  /// Reads one more row, the sum of two: [H] each.
  Status step(const float* frame_embedding, const float* text_row);

  /// Draws the next token from what the last row gave, and remembers it.
  /// Not the end of the utterance before `min_new_tokens` of them.
  Result<int64_t> sample(const SamplingParams& params, float repetition_penalty, int64_t min_new_tokens, float uniform);

  /// Remembers a token that `frame` drew, and that it read one more row.
  void accept(int64_t token);

  /// Rows read so far: where the next one goes.
  int64_t position() const { return position_; }

  /// [H] after the final norm; the code predictor reads it.
  const std::vector<float>& hidden() const { return hidden_; }

  /// Every token drawn in this utterance.
  const std::vector<int64_t>& tokens() const { return tokens_; }

 private:
  Talker(Program& program, const ModelMetadata& metadata, std::optional<MappedTensor> kv);

  Status run(const std::string& method, const std::vector<executorch::runtime::EValue>& inputs);
  /// At most max_rows_ rows.
  Status read_piece(const float* rows, int64_t num_rows);
  /// The same, when the program keeps the state: by a method that takes max_rows_, with padding before them.
  Status read_padded(const float* rows, int64_t num_rows);

  /// Calls `visit(bytes, num_bytes)` for the keys or values of every head at the first `num_rows` positions.
  template <typename Visit>
  void visit_positions(int64_t num_rows, const Visit& visit) const;

  Program& program_;
  int64_t hidden_size_;
  int64_t max_rows_;
  std::string method_;
  std::string prefill_method_;
  std::optional<MappedTensor> kv_;  ///< Never cleared: positions beyond the current one are not read.
  int64_t position_ = 0;  ///< Rows read.
  std::vector<float> row_;
  std::vector<float> padded_rows_;  ///< [max_rows, H] if the program keeps its state
  std::vector<float> logits_;
  std::vector<float> hidden_;
  executorch::extension::TensorPtr row_tensor_;
  executorch::extension::TensorPtr position_tensor_;
  std::vector<executorch::runtime::EValue> step_inputs_;
  TalkerLogitsProcessor processor_;
  Sampler sampler_;
  std::vector<int64_t> tokens_;
};

}  // namespace qwen3_tts
