#pragma once

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
#include "stages/embedding.h"

namespace qwen3_tts {

/// Completes a frame: codes 1 to G - 1 from the talker's hidden state and code 0.
/// Fused (one call of `cp_generate`) and stepwise (`code_predictor` and `cp_head`) give the same codes.
class CodePredictor {
 public:
  /// Borrows `program`, which may keep keys and values itself, and `embedding`.
  static Result<std::unique_ptr<CodePredictor>> create(Program& program, Embedding& embedding,
                                                       const ModelMetadata& metadata, bool is_fused,
                                                       bool program_keeps_kv);
  CodePredictor(const CodePredictor&) = delete;
  CodePredictor& operator=(const CodePredictor&) = delete;

  /// `hidden`: [H]. `draw` and `frame` say how codes are drawn, and with which random numbers. Fills codes() and
  /// frame_embedding().
  Status predict(const std::vector<float>& hidden, int64_t code0, const DrawOptions& draw, uint64_t frame);

  /// [G], code 0 first; valid until the next predict().
  const std::vector<int64_t>& codes() const { return codes_; }
  /// [H] sum of the embeddings of codes(); valid until the next predict().
  const std::vector<float>& frame_embedding() const { return frame_embedding_; }

 private:
  CodePredictor(Program& program, Embedding& embedding, const ModelMetadata& metadata, bool is_fused,
                std::optional<MappedTensor> kv);

  Status predict_fused();
  Status predict_stepwise();
  /// For a method that takes one row: reads the talker's and puts code 0's in its place.
  Status read_first_row();
  /// Runs the first `num_rows` of rows_ at position_ and draws the code of `group`.
  Status predict_group(size_t group, int64_t num_rows);
  /// Writes the embedding of `group`'s code to `row` and adds it to frame_embedding_.
  Status embed(size_t group, float* row);

  Program& program_;
  Embedding& embedding_;
  const ModelMetadata& metadata_;
  bool is_fused_;
  std::string cp_generate_;
  std::string code_predictor_;
  std::string cp_head_;
  std::optional<MappedTensor> kv_;  ///< Of the frame alone, which starts at position 0: it needs no clearing.
  SamplingParams params_{};
  Sampler sampler_;
  std::vector<int64_t> codes_;
  std::vector<float> frame_embedding_;
  std::vector<float> uniforms_;  ///< [G - 1]
  std::vector<float> sampling_;  ///< [3] {temperature, top_k, top_p}
  std::vector<float> rows_;      ///< [2, H]
  std::vector<float> state_;     ///< [Hcp]
  std::vector<float> logits_;    ///< [G - 1, Vc]
  int64_t position_ = 0;
  executorch::extension::TensorPtr hidden_tensor_;  ///< [1, H] first row of rows_.
  executorch::extension::TensorPtr code0_tensor_;
  executorch::extension::TensorPtr uniforms_tensor_;
  executorch::extension::TensorPtr sampling_tensor_;
  executorch::extension::TensorPtr rows_tensor_;
  executorch::extension::TensorPtr position_tensor_;
  executorch::extension::TensorPtr state_tensor_;
  std::vector<executorch::runtime::EValue> generate_inputs_;
  std::vector<executorch::runtime::EValue> first_inputs_;
  std::vector<executorch::runtime::EValue> step_inputs_;
  std::vector<executorch::runtime::EValue> head_inputs_;
};

}  // namespace qwen3_tts
