#pragma once

/// Settings that fit the model, whichever it is:
/// \code
/// qwen3_tts::SynthesisRequest first_speaker_in(const std::string& language, const qwen3_tts::ModelMetadata& model) {
///   qwen3_tts::SynthesisRequest request;
///   if (model.languages.count(language) > 0) request.language = language;
///   if (!model.speakers.empty()) request.speaker = model.speakers.begin()->first;
///   return request;
/// }
/// \endcode

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <qwen3_tts/export.h>
#include <qwen3_tts/result.h>

namespace qwen3_tts {

/// Where the text stands in the prompt (qwen-tts: `non_streaming_mode` false / true).
enum class TextLayout {
  kStreaming,  ///< One text row a frame: the first in the prompt, the rest while speaking.
  kFull,       ///< The whole text in the prompt.
};
QWEN3_TTS_API const char* to_string(TextLayout layout);  ///< "streaming" or "full".

/// What a `model.pte` says about itself: the JSON of its constant method `contract`, whose keys are the names of these
/// fields. qwen3_tts/contract.py writes it, and runner/src/program/model_metadata.cpp reads it.
struct QWEN3_TTS_API ModelMetadata {
  int64_t contract_version;
  std::string model_type;  ///< "base", "custom_voice" or "voice_design".
  std::string model_size;  ///< "0b6" or "1b7".

  int64_t sample_rate;        ///< Hz.
  int64_t samples_per_frame;  ///< Samples of one frame.
  int64_t num_code_groups;
  int64_t code_vocab_size;    ///< Codes of one group.
  int64_t talker_vocab_size;  ///< Rows of the talker's head; codes first, control rows after.
  int64_t text_vocab_size;
  int64_t hidden_size;                 ///< H: width of prompt rows and talker hidden.
  int64_t code_predictor_hidden_size;  ///< Width of the code predictor's hidden.
  int64_t max_seq_len;        ///< Positions of the talker's KV cache.
  int64_t max_rows;           ///< Most rows of one encode_text, codec_embed or talker call.
  int64_t max_batch;          ///< Most utterances that share a call.
  int64_t max_decode_frames;  ///< Most frames of one decode_audio call.
  std::vector<int64_t> group_offsets;  ///< [num_code_groups] first row of each group in codec_embed's table.

  std::vector<int64_t> role_ids;             ///< Text ids that open the assistant turn.
  std::vector<int64_t> instruct_prefix_ids;  ///< Text ids before an instruct text.
  std::vector<int64_t> instruct_suffix_ids;  ///< Text ids after it.
  int64_t tts_pad_id, tts_bos_id, tts_eos_id;  ///< Text ids.
  int64_t codec_pad_id, codec_bos_id, codec_eos_id;
  int64_t codec_think_id, codec_nothink_id, codec_think_bos_id, codec_think_eos_id;

  std::map<std::string, int64_t> languages;  ///< Name as the checkpoint spells it -> row; dialects included.
  std::vector<std::string> dialects;  ///< Languages that only a speaker can choose.
  std::map<std::string, int64_t> speakers;  ///< Name as the checkpoint spells it -> row.
  std::map<std::string, std::string> speaker_dialects;  ///< Speaker -> language.
  bool supports_instruct;
  TextLayout text_layout;  ///< The reference's default for this model type.

  float temperature, top_p, repetition_penalty;
  int64_t top_k;
  float subtalker_temperature, subtalker_top_p;
  int64_t subtalker_top_k;
  int64_t min_new_tokens;  ///< The end token is banned before this many tokens.
  int64_t max_new_tokens;
  /// Text tokens that one piece of a split text carries well; unset: the checkpoint does not say.
  std::optional<int64_t> max_piece_tokens;
  std::optional<int64_t> max_piece_sentences;  ///< The same of sentences.

  std::map<std::string, std::string> recipe;  ///< How the file was exported, for people: backend, precision of stages.

  /// Text tokens that one piece carries well. Where the checkpoint does not say it is 56: two or three sentences, eight
  /// to twenty seconds; with a missed end token less than a minute.
  int64_t piece_tokens() const { return max_piece_tokens.value_or(56); }

  /// Only these models speak with a cloned voice.
  bool takes_voices() const { return model_type == "base"; }

  /// Who speaks when a request names nobody: the only speaker there is. Empty when there are several, or none.
  std::string default_speaker() const { return speakers.size() == 1 ? speakers.begin()->first : std::string(); }

  /// Parses the JSON text. Every field is required; another `contract_version` or a
  /// missing or mistyped key is kInvalidModel with "re-export with export_unified.py".
  static Result<ModelMetadata> parse(std::string_view json);
};

}  // namespace qwen3_tts
