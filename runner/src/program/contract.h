#pragma once

#include <cstdint>

/// Names of methods that a `model.pte` and the runner share. Values (ids, sizes, defaults) never stand here: they are
/// read from the model, under the keys in model_metadata.cpp. The Python side is qwen3_tts/contract.py.
namespace qwen3_tts::contract {

/// Covers keys, methods and custom operators. Raise it when an older runner could no longer read a new file.
inline constexpr int64_t kVersion = 3;

// Constant methods.
inline constexpr char kContractMethod[] = "contract";
inline constexpr char kTokenizerMethod[] = "tokenizer";
inline constexpr char kCudaMethod[] = "cuda";  // Of programs for an NVIDIA GPU alone.
inline constexpr char kKeptTextIdsMethod[] = "kept_text_ids";  // Where not all text ids have a row.
inline constexpr char kFrameBytesMethod[] = "frame_bytes";  // Of programs for a CPU; older ones have none.

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
inline constexpr char kDecodeChunk[] = "decode_chunk";  // Programs for a GPU.

// Methods of a voice encoder, which is another file.
inline constexpr char kEncodeSpeaker[] = "encode_speaker";
inline constexpr char kEncodeAudio[] = "encode_audio";
inline constexpr char kEncodeCodes[] = "encode_codes";

}  // namespace qwen3_tts::contract
