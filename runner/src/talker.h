#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "mapped_tensor.h"
#include "program.h"
#include "sampler.h"

namespace qwen3_tts {

/// The language model over one utterance: reads rows, gives code 0 of every frame.
class Talker {
 public:
  /// Borrows `program`.
  static Result<std::unique_ptr<Talker>> create(Program& program, const ModelMetadata& metadata);
  Talker(const Talker&) = delete;
  Talker& operator=(const Talker&) = delete;

  /// Begins an utterance. `rows`: [num_rows, H].
  Status prefill(const float* rows, int64_t num_rows);

  /// Reads one more row, the sum of two: [H] each.
  Status step(const float* frame_embedding, const float* text_row);

  /// Draws the next token from what the last row gave, and remembers it.
  Result<int64_t> sample(const SamplingParams& params, float repetition_penalty, float uniform);

  /// [H] after the final norm; the code predictor reads it.
  const std::vector<float>& hidden() const { return hidden_; }

  /// Every token drawn in this utterance.
  const std::vector<int64_t>& tokens() const { return tokens_; }

  /// Forgets the tokens and makes room for `max_tokens`.
  void reset(int64_t max_tokens);

 private:
  Talker(Program& program, const ModelMetadata& metadata, MappedTensor kv);

  Program& program_;
  int64_t hidden_size_;
  int64_t max_rows_;
  std::string method_;
  MappedTensor kv_;  ///< Never cleared: positions beyond the current one are not read.
  int64_t position_ = 0;
  std::vector<float> row_;
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
