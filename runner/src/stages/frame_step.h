#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "base/draw_options.h"
#include "program/program.h"

namespace qwen3_tts {

/// A whole frame in one call of `frame`: code 0 drawn from the talker's last logits, the other codes, and the talker's
/// next step. All state is the program's, so nothing but the codes comes back from a GPU.
class FrameStep {
 public:
  /// Borrows `program`.
  static std::unique_ptr<FrameStep> create(Program& program, const ModelMetadata& metadata);
  FrameStep(const FrameStep&) = delete;
  FrameStep& operator=(const FrameStep&) = delete;

  /// Begins a piece of the text, whose tokens are drawn as `options` say.
  void reset(const DrawOptions& options);

  /// Draws a token, which is returned, and completes its frame. `num_tokens`: drawn before in this piece; `frame`: and
  /// in the utterance, which says which random numbers are used. `text_row` [H] goes with the frame to the talker,
  /// whose next row is at `position`. A token that ends the piece has no frame; codes() is then without meaning.
  Result<int64_t> run(const float* text_row, int64_t position, int64_t num_tokens, uint64_t frame);

  /// [G], code 0 first.
  const std::vector<int64_t>& codes() const { return codes_; }

 private:
  FrameStep(Program& program, const ModelMetadata& metadata);

  Status check_codes(uint64_t frame) const;

  Program& program_;
  const ModelMetadata& metadata_;
  std::string method_;
  DrawOptions options_{};
  std::vector<float> text_row_;  ///< [H]
  int64_t position_ = 0;
  std::vector<float> penalty_;   ///< [V] of every id; 1 where it was not drawn.
  std::vector<float> bans_;      ///< [V] added to the logits: 0 or -inf.
  std::vector<float> uniforms_;  ///< [G]
  std::vector<float> sampling_;  ///< [6] {temperature, top_k, top_p} of the talker, then of the code predictor
  std::vector<int64_t> codes_;
  std::vector<executorch::extension::TensorPtr> tensors_;
  std::vector<executorch::runtime::EValue> inputs_;
};

}  // namespace qwen3_tts
