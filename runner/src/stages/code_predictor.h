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
#include "stages/embedding.h"

namespace qwen3_tts {

/// A frame that begins with code 0.
struct BegunFrame {
  const float* hidden;  ///< [H] of the talker.
  int64_t code0;
  const DrawOptions* draw;  ///< How codes are drawn,
  uint32_t piece;           ///< and with which random numbers: those of this piece
  uint64_t index;           ///< and of this frame of it.
  int64_t slot = 0;         ///< The utterance's, where the program keeps its state.
};

/// Completes frames: codes 1 to G - 1 from the talker's hidden state and code 0, of several utterances in one call.
/// Fused (one call of `cp_generate`) and stepwise (`code_predictor` and `cp_head`) give the same codes. For one thread
/// at a time.
class CodePredictor {
 public:
  /// Borrows `program`, which may keep keys and values itself, of one frame, and `embedding`.
  static Result<std::unique_ptr<CodePredictor>> create(Program& program, Embedding& embedding,
                                                       const ModelMetadata& metadata, bool is_fused,
                                                       bool program_keeps_kv);
  CodePredictor(const CodePredictor&) = delete;
  CodePredictor& operator=(const CodePredictor&) = delete;

  /// At most max_batch frames, and one where the program keeps keys and values. An error is one of the call; check()
  /// tells what is wrong with a frame alone.
  Status predict(const std::vector<BegunFrame>& frames);

  /// Whether the codes of the frame with this index in the last predict() are codes.
  Status check(size_t frame) const;
  /// [G], code 0 first; valid until the next predict().
  const int64_t* codes(size_t frame) const { return codes_.data() + frame * num_groups_; }
  /// [H] sum of the embeddings of these codes; valid until the next predict().
  const float* frame_embedding(size_t frame) const { return frame_embeddings_.data() + frame * width_; }

 private:
  CodePredictor(Program& program, Embedding& embedding, const ModelMetadata& metadata, bool is_fused,
                std::optional<MappedTensor> kv);

  Status predict_fused();
  Status predict_stepwise();
  /// Runs the two rows that begin each frame.
  Status run_first_rows();
  /// Runs a row of each frame.
  Status run_rows(int64_t position);
  /// Runs the first `num_rows` of rows_; states_ are those of the last ones, one of each frame.
  Status run(size_t num_rows);
  /// Draws the codes of `group` from states_.
  Status draw(size_t group);
  /// Writes the embeddings of `group`'s codes to `rows` [frames, H] and adds them to frame_embeddings_.
  Status embed(size_t group, float* rows);

  Program& program_;
  Embedding& embedding_;
  const ModelMetadata& metadata_;
  bool is_fused_;
  std::string cp_generate_;
  std::string code_predictor_;
  std::string cp_head_;
  size_t num_groups_;
  size_t width_;
  std::optional<MappedTensor> kv_;  ///< [max_batch, …] of the frames alone, which start at position 0: never cleared.
  const std::vector<BegunFrame>* frames_ = nullptr;  ///< Of the predict() that runs.
  Sampler sampler_;
  std::vector<int64_t> codes_;  ///< [frames, G]
  std::vector<float> frame_embeddings_;  ///< [frames, H]
  std::vector<int64_t> code0_;  ///< [frames]
  std::vector<float> uniforms_;  ///< [frames, G - 1]
  std::vector<float> sampling_;  ///< [frames, 3] {temperature, top_k, top_p}
  std::vector<float> rows_;  ///< [2, frames, H]: the talker's hidden states, then embeddings of code 0.
  std::vector<int64_t> positions_;  ///< [2, frames]
  std::vector<int64_t> slots_;  ///< [2, frames]
  std::vector<int64_t> outputs_;  ///< [2, frames]: 0, 1, 2, …
  std::vector<float> states_;  ///< [frames, Hcp]
  std::vector<float> logits_;  ///< [frames, G - 1, Vc]
};

}  // namespace qwen3_tts
