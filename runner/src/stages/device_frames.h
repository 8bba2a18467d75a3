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

/// Frames that are made whole: the first of a piece by `cp_generate`, from the prompt's logits, the others by `frame`,
/// which is the talker's step, code 0 and the other codes, of all utterances in one call. All state is the program's,
/// in a slot for each piece that is spoken, so nothing but the codes comes back from a GPU.
class DeviceFrames : public FrameMaker {
 public:
  /// Borrows `program` and `metadata`.
  static Result<std::unique_ptr<DeviceFrames>> create(Program& program, const ModelMetadata& metadata);
  DeviceFrames(const DeviceFrames&) = delete;
  DeviceFrames& operator=(const DeviceFrames&) = delete;

  int64_t max_streams() const override { return talker_->max_states(); }
  int64_t slice_rows() const override { return metadata_.max_rows; }
  Result<std::unique_ptr<FrameStream>> create_stream() override;
  bool take_place(FrameStream& stream) override;
  bool has_place(const FrameStream& stream) const override;
  void leave_place(FrameStream& stream) override;
  void begin(FrameStream& stream, uint32_t piece, int64_t max_tokens) override;
  Status read(FrameStream& stream, const float* rows, int64_t num_rows) override;
  /// Makes the whole frames, as the talker reads each with its text row. The codes of one whose token ends the piece
  /// are without meaning. An error of a call is that of its streams, and not of those that begin a piece beside them.
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
  static const Stream& own(const FrameStream& stream);

  /// The slot of the stream, and its row.
  static int64_t row_of(const Stream& stream);

  /// Fills the stream's row of codes_ with the first frame of a piece. The end token leaves the other codes zeros.
  Status make_first(Stream& stream);
  /// Fills the rows of all these, whose pieces have a frame.
  Status make_next(const std::vector<Stream*>& streams);
  /// Says in all rows of packed_ that they are idle.
  void pack_idle();
  /// Into the stream's row of packed_, in the order of qwen3_tts/export/cuda/frame_input.py.
  void pack(const Stream& stream);
  /// Takes the frame in the stream's row of codes_. kExecution when a code says that there was nothing to draw from.
  Status take_codes(Stream& stream) const;

  Program& program_;
  const ModelMetadata& metadata_;
  std::string frame_;
  std::string cp_generate_;
  std::unique_ptr<Talker> talker_;  ///< Reads prompts, and draws what comes first after them.
  size_t num_groups_;
  size_t packed_size_;           ///< H + G + 10
  std::vector<float> packed_;    ///< [max_batch, H + G + 10] what `frame` reads: a row of each slot.
  std::vector<float> uniforms_;  ///< [G - 1] and [3], what `cp_generate` reads.
  std::vector<float> sampling_;
  std::vector<int64_t> codes_;  ///< [max_batch, G]
  executorch::extension::TensorPtr packed_tensor_;
  executorch::extension::TensorPtr uniforms_tensor_;
  executorch::extension::TensorPtr sampling_tensor_;
};

}  // namespace qwen3_tts
