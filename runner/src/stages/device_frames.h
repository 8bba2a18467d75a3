#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/program.h"
#include "stages/frame_maker.h"
#include "stages/talker.h"

namespace qwen3_tts {

/// Frames that one call of `frame` makes each: code 0 drawn from the talker's last logits, the other codes, and the
/// talker's next step. All state is the program's, so nothing but the codes comes back from a GPU; there can be one
/// stream at a time.
class DeviceFrames : public FrameMaker {
 public:
  /// Borrows `program` and `metadata`.
  DeviceFrames(Program& program, const ModelMetadata& metadata);
  DeviceFrames(const DeviceFrames&) = delete;
  DeviceFrames& operator=(const DeviceFrames&) = delete;

  Result<std::unique_ptr<FrameStream>> create_stream() override;
  void begin(FrameStream& stream, int64_t max_tokens) override;
  Status read(FrameStream& stream, const float* rows, int64_t num_rows) override;
  /// Makes the whole frames, as the talker reads each with its text row. The codes of one whose token ends the piece
  /// are without meaning.
  Status draw(const Streams& streams) override;
  Status complete(const Streams& streams) override;
  Snapshot snapshot(const FrameStream& stream) const override;
  size_t snapshot_bytes(const FrameStream& stream, int64_t num_rows) const override;
  void restore(FrameStream& stream, const Snapshot& snapshot, int64_t num_rows) override;

 private:
  struct Stream;

  static Stream& own(FrameStream& stream);

  /// What `frame` reads, but for the text row.
  void set_inputs(const Stream& stream);
  /// kExecution when a code says that there was nothing to draw from.
  Status check_codes(uint64_t frame) const;

  Program& program_;
  const ModelMetadata& metadata_;
  std::string method_;
  Talker talker_;  ///< Reads prompts.
  std::vector<float> text_row_;  ///< [H]
  int64_t position_ = 0;
  std::vector<float> penalty_;   ///< [V] of every id; 1 where it was not drawn.
  std::vector<float> bans_;      ///< [V] added to the logits: 0 or -inf.
  std::vector<float> uniforms_;  ///< [G]
  std::vector<float> sampling_;  ///< [6] {temperature, top_k, top_p} of the talker, then of the code predictor
  std::vector<int64_t> codes_;   ///< [G]
  std::vector<executorch::extension::TensorPtr> tensors_;
  std::vector<executorch::runtime::EValue> inputs_;
};

}  // namespace qwen3_tts
