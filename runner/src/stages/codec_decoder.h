#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/program.h"
#include "stages/frame_decoder.h"
#include "stages/slot_numbers.h"

namespace qwen3_tts {

/// The codec's decoder: the method `decode_audio`. A program that keeps the state takes one frame by that, and
/// max_decode_frames by `decode_chunk`, of the utterance in a slot.
class CodecDecoder : public FrameDecoder {
 public:
  /// Borrows all. `slots`: those of a program that keeps the state itself, else null.
  CodecDecoder(Program& program, const ModelMetadata& metadata, SlotNumbers* slots);
  CodecDecoder(const CodecDecoder&) = delete;
  CodecDecoder& operator=(const CodecDecoder&) = delete;

  Result<DecoderState> create_state() override;
  Status decode(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples) override;

 private:
  Status decode_frames(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples);
  Status decode_chunk(DecoderState& state, const int64_t* codes, float* samples);
  Status run(const std::string& method, DecoderState& state, int64_t num_frames, float* samples);

  Program& program_;
  SlotNumbers* slots_;
  int64_t num_code_groups_;
  int64_t samples_per_frame_;
  std::string method_;
  std::string chunk_method_;
  int64_t max_frames_;
  std::vector<int64_t> codes_;      ///< [max_decode_frames, G]
  std::vector<int64_t> positions_;  ///< [max_decode_frames]
  executorch::extension::TensorPtr codes_tensor_;
};

}  // namespace qwen3_tts
