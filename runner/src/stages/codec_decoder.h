#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qwen3_tts/model_metadata.h>
#include <qwen3_tts/result.h>

#include "program/program.h"
#include "stages/frame_decoder.h"

namespace qwen3_tts {

/// The codec's decoder: the method `decode_audio`. A program that keeps the state takes one frame by that, and
/// max_decode_frames by `decode_chunk`.
class CodecDecoder : public FrameDecoder {
 public:
  /// Borrows `program`, which may keep the state itself.
  CodecDecoder(Program& program, const ModelMetadata& metadata, bool program_keeps_state);
  CodecDecoder(const CodecDecoder&) = delete;
  CodecDecoder& operator=(const CodecDecoder&) = delete;

  Result<DecoderState> create_state() override;
  Status decode(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples) override;

 private:
  Program& program_;
  bool program_keeps_state_;
  int64_t num_code_groups_;
  int64_t samples_per_frame_;
  std::string method_;
  Status decode_frames(DecoderState& state, const int64_t* codes, int64_t num_frames, float* samples);
  Status decode_chunk(DecoderState& state, const int64_t* codes, float* samples);

  std::string chunk_method_;
  int64_t max_frames_;
  std::vector<int64_t> codes_;      ///< [max_decode_frames, G]
  std::vector<int64_t> positions_;  ///< [max_decode_frames] of a chunk.
  executorch::extension::TensorPtr codes_tensor_;
};

}  // namespace qwen3_tts
