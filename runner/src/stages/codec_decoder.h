#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/mapped_tensor.h"
#include "program/program.h"

namespace qwen3_tts {

/// Frames to samples, a few frames a call; how they are cut into calls does not change the samples.
class CodecDecoder {
 public:
  /// Borrows `program`, which may keep the state itself.
  static Result<std::unique_ptr<CodecDecoder>> create(Program& program, const ModelMetadata& metadata,
                                                      bool keeps_state = false);
  CodecDecoder(const CodecDecoder&) = delete;
  CodecDecoder& operator=(const CodecDecoder&) = delete;

  /// Begins an utterance.
  Status reset();

  /// `codes`: [num_frames, G], 1 to max_decode_frames of them. `samples`: [num_frames * samples_per_frame].
  Status decode(const int64_t* codes, int64_t num_frames, float* samples);

  /// Decodes any number of frames that stand before the utterance; their samples are dropped.
  Status prime(const std::vector<int64_t>& codes);

  /// What there is to remember of the frames so far; nothing when the program keeps it.
  Snapshot state() const;
  size_t state_bytes() const;

  /// Takes the state after `num_frames` frames in place of decoding them.
  void set_state(const Snapshot& state, int64_t num_frames);

 private:
  CodecDecoder(Program& program, const ModelMetadata& metadata, std::vector<MappedTensor> states);

  Program& program_;
  int64_t num_code_groups_;
  int64_t max_decode_frames_;
  int64_t samples_per_frame_;
  std::string method_;
  std::vector<MappedTensor> states_;  ///< History, keys and values; none when the program keeps them.
  int64_t position_ = 0;  ///< Frames decoded before.
  std::vector<int64_t> codes_;  ///< [max_decode_frames, G]
  executorch::extension::TensorPtr codes_tensor_;
  executorch::extension::TensorPtr position_tensor_;
  std::vector<executorch::runtime::EValue> inputs_;
};

}  // namespace qwen3_tts
