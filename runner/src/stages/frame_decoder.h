#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <qwen3_tts/result.h>

#include "program/mapped_tensor.h"
#include "stages/slot_numbers.h"

namespace qwen3_tts {

/// What a FrameDecoder keeps of one utterance.
struct DecoderState {
  std::vector<MappedTensor> tensors;  ///< History, keys and values; none when the program keeps them.
  std::optional<SlotNumber> place;    ///< Where the program keeps them: in this slot.
  int64_t position = 0;               ///< Frames decoded.

  /// Begins an utterance. A program that keeps the state begins anew at position 0.
  Status clear();

  /// What there is to remember of the frames so far.
  Snapshot snapshot() const;
  size_t snapshot_bytes() const;
  /// Takes it in place of decoding `num_frames` frames.
  void restore(const Snapshot& snapshot, int64_t num_frames);
};

/// Turns frames into samples, a few a call; how they are cut into calls does not change the samples. Nothing of an
/// utterance is kept here but in its DecoderState.
class FrameDecoder {
 public:
  virtual ~FrameDecoder() = default;

  /// kInvalidState when there are as many as can be.
  virtual Result<DecoderState> create_state() = 0;

  /// `codes`: [num_frames, G], 1 to max_decode_frames of them. `samples`: [num_frames * samples_per_frame].
  virtual Status decode(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples) = 0;
};

}  // namespace qwen3_tts
