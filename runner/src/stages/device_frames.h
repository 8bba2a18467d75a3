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

/// Frames that one call makes each: the first of a piece by `cp_generate`, from the prompt's logits, the others by
/// `frame`, which is the talker's step, code 0 and the other codes. All state is the program's, so nothing but the
/// codes comes back from a GPU; there can be one stream at a time.
class DeviceFrames : public FrameMaker {
 public:
  /// Borrows `program` and `metadata`.
  static Result<std::unique_ptr<DeviceFrames>> create(Program& program, const ModelMetadata& metadata);
  DeviceFrames(const DeviceFrames&) = delete;
  DeviceFrames& operator=(const DeviceFrames&) = delete;

  int64_t max_streams() const override { return talker_->max_states(); }
  Result<std::unique_ptr<FrameStream>> create_stream() override;
  void begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) override;
  Status read(FrameStream& stream, const float* rows, int64_t num_rows) override;
  /// Makes the whole frames, as the talker reads each with its text row. The codes of one whose token ends the piece
  /// are without meaning.
  Status draw(const Streams& streams) override;
  Status complete(const Streams& streams) override;
  Snapshot snapshot(const FrameStream& stream) const override;
  size_t snapshot_bytes(const FrameStream& stream, int64_t num_rows) const override;
  void restore(FrameStream& stream, const Snapshot& snapshot, int64_t num_rows) override;
  void rest(FrameStream& stream) override;

 private:
  struct Stream;

  DeviceFrames(Program& program, const ModelMetadata& metadata, std::unique_ptr<Talker> talker);

  static Stream& own(FrameStream& stream);

  /// Fills codes_ with a whole frame. Of the first one the end token leaves the other codes what they are.
  Status make_first(Stream& stream);
  Status make_next(Stream& stream);
  /// Into packed_, in the order of qwen3_tts/export/cuda/frame_input.py.
  void pack(const Stream& stream);
  /// kExecution when a code says that there was nothing to draw from.
  Status check_codes(uint64_t frame) const;

  Program& program_;
  const ModelMetadata& metadata_;
  std::string frame_;
  std::string cp_generate_;
  std::unique_ptr<Talker> talker_;  ///< Reads prompts, and draws what comes first after them.
  std::vector<float> packed_;    ///< [H + G + 10] what `frame` reads.
  std::vector<float> uniforms_;  ///< [G - 1] and [3], what `cp_generate` reads.
  std::vector<float> sampling_;
  std::vector<int64_t> codes_;   ///< [G]
  executorch::extension::TensorPtr packed_tensor_;
  executorch::extension::TensorPtr code0_tensor_;  ///< [1], of codes_.
  executorch::extension::TensorPtr uniforms_tensor_;
  executorch::extension::TensorPtr sampling_tensor_;
};

}  // namespace qwen3_tts
