#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// What a `voice_encoder.pte` says about itself: the JSON of its constant method `contract`, whose keys are the names
/// of these fields. qwen3_tts/export/voice_encoder.py writes it.
struct VoiceEncoderContract {
  std::string model_type;  ///< Of the model that the voices are for: "base".
  int64_t hidden_size;     ///< H: width of an x-vector.
  int64_t sample_rate;     ///< Hz.
  int64_t min_samples, max_samples;  ///< Of a recording.
  int64_t samples_per_block;  ///< Row of encode_speaker's input.
  int64_t samples_per_frame;  ///< Row of encode_audio's input; a frame has one code of each group.
  int64_t samples_per_row;    ///< Half of a frame: a row between encode_audio and encode_codes.
  int64_t row_size;           ///< Width of such a row.
  int64_t num_code_groups;    ///< G
  int64_t code_vocab_size;    ///< Codes of one group.
  int64_t text_vocab_size;
  int64_t max_encode_frames;  ///< Most frames of one encode_audio call.
  int64_t context_frames;     ///< Frames before a piece that its first row depends on.
  std::set<std::string> languages;  ///< As the checkpoint spells them, without dialects.

  /// The last block is never full.
  int64_t num_blocks(int64_t num_samples) const { return num_samples / samples_per_block + 1; }
  int64_t num_frames(int64_t num_samples) const { return (num_samples + samples_per_frame - 1) / samples_per_frame; }
  int64_t num_rows(int64_t num_samples) const { return (num_samples + samples_per_row - 1) / samples_per_row; }

  /// Parses the JSON text. Every field is required; another `contract_version` or a missing or impossible value is
  /// kInvalidModel.
  static Result<VoiceEncoderContract> parse(std::string_view json);
};

}  // namespace qwen3_tts
