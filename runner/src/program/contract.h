#pragma once

#include <cstdint>

/// Names that a `model.pte` and the runner share. Values (ids, sizes, defaults) never stand here: they are read from
/// the model. The Python side is qwen3_tts/contract.py.
namespace qwen3_tts::contract {

/// Of keys, methods and custom operators alike: a change to any of them that an older runner cannot take is a new one.
inline constexpr int64_t kVersion = 1;

// Constant methods.
inline constexpr char kContractMethod[] = "contract";
inline constexpr char kTokenizerMethod[] = "tokenizer";
inline constexpr char kCudaMethod[] = "cuda";  // Of programs for an NVIDIA GPU alone.

// Methods, in the order of the data flow.
inline constexpr char kEncodeText[] = "encode_text";
inline constexpr char kCodecEmbed[] = "codec_embed";
inline constexpr char kTalker[] = "talker";
inline constexpr char kTalkerPrefill[] = "talker_prefill";  // Programs for a GPU.
inline constexpr char kFrame[] = "frame";                    // Programs for a GPU.
inline constexpr char kCpGenerate[] = "cp_generate";
inline constexpr char kCodePredictor[] = "code_predictor";
inline constexpr char kCpHead[] = "cp_head";
inline constexpr char kDecodeAudio[] = "decode_audio";

// Methods of a voice encoder, which is another file.
inline constexpr char kEncodeSpeaker[] = "encode_speaker";
inline constexpr char kEncodeAudio[] = "encode_audio";
inline constexpr char kEncodeCodes[] = "encode_codes";

// Keys of the contract's JSON: the fields of ModelMetadata, under the same names.
namespace key {
inline constexpr char kContractVersion[] = "contract_version";
inline constexpr char kModelType[] = "model_type";
inline constexpr char kModelSize[] = "model_size";
inline constexpr char kSampleRate[] = "sample_rate";
inline constexpr char kSamplesPerFrame[] = "samples_per_frame";
inline constexpr char kNumCodeGroups[] = "num_code_groups";
inline constexpr char kCodeVocabSize[] = "code_vocab_size";
inline constexpr char kTalkerVocabSize[] = "talker_vocab_size";
inline constexpr char kTextVocabSize[] = "text_vocab_size";
inline constexpr char kHiddenSize[] = "hidden_size";
inline constexpr char kCodePredictorHiddenSize[] = "code_predictor_hidden_size";
inline constexpr char kMaxSeqLen[] = "max_seq_len";
inline constexpr char kMaxRows[] = "max_rows";
inline constexpr char kMaxDecodeFrames[] = "max_decode_frames";
inline constexpr char kGroupOffsets[] = "group_offsets";
inline constexpr char kRoleIds[] = "role_ids";
inline constexpr char kInstructPrefixIds[] = "instruct_prefix_ids";
inline constexpr char kInstructSuffixIds[] = "instruct_suffix_ids";
inline constexpr char kTtsPadId[] = "tts_pad_id";
inline constexpr char kTtsBosId[] = "tts_bos_id";
inline constexpr char kTtsEosId[] = "tts_eos_id";
inline constexpr char kCodecPadId[] = "codec_pad_id";
inline constexpr char kCodecBosId[] = "codec_bos_id";
inline constexpr char kCodecEosId[] = "codec_eos_id";
inline constexpr char kCodecThinkId[] = "codec_think_id";
inline constexpr char kCodecNothinkId[] = "codec_nothink_id";
inline constexpr char kCodecThinkBosId[] = "codec_think_bos_id";
inline constexpr char kCodecThinkEosId[] = "codec_think_eos_id";
inline constexpr char kLanguages[] = "languages";
inline constexpr char kDialects[] = "dialects";
inline constexpr char kSpeakers[] = "speakers";
inline constexpr char kSpeakerDialects[] = "speaker_dialects";
inline constexpr char kSupportsInstruct[] = "supports_instruct";
inline constexpr char kTextLayout[] = "text_layout";
inline constexpr char kTemperature[] = "temperature";
inline constexpr char kTopP[] = "top_p";
inline constexpr char kTopK[] = "top_k";
inline constexpr char kRepetitionPenalty[] = "repetition_penalty";
inline constexpr char kSubtalkerTemperature[] = "subtalker_temperature";
inline constexpr char kSubtalkerTopP[] = "subtalker_top_p";
inline constexpr char kSubtalkerTopK[] = "subtalker_top_k";
inline constexpr char kMinNewTokens[] = "min_new_tokens";
inline constexpr char kMaxNewTokens[] = "max_new_tokens";
inline constexpr char kRecipe[] = "recipe";
}  // namespace key

}  // namespace qwen3_tts::contract
