#include "tiny_contract.h"

#include <cstdlib>
#include <iostream>

#include <nlohmann/json.hpp>

namespace qwen3_tts::testing {

nlohmann::json tiny_contract() {
  return nlohmann::json::parse(R"({
    "contract_version": 3, "recipe": {},
    "model_type": "custom_voice", "model_size": "0b6",
    "sample_rate": 24000, "samples_per_frame": 1920, "num_code_groups": 4, "code_vocab_size": 8,
    "talker_vocab_size": 24, "text_vocab_size": 100, "hidden_size": 3, "code_predictor_hidden_size": 2,
    "max_seq_len": 64, "max_rows": 8, "max_batch": 4, "max_decode_frames": 4, "group_offsets": [0, 24, 32, 40],
    "role_ids": [90, 70, 10], "instruct_prefix_ids": [90, 71, 10], "instruct_suffix_ids": [91, 10],
    "tts_pad_id": 95, "tts_bos_id": 96, "tts_eos_id": 97,
    "codec_pad_id": 8, "codec_bos_id": 9, "codec_eos_id": 10,
    "codec_think_id": 11, "codec_nothink_id": 12, "codec_think_bos_id": 13, "codec_think_eos_id": 14,
    "languages": {"english": 15, "chinese": 16, "sichuan_dialect": 17}, "dialects": ["sichuan_dialect"],
    "speakers": {"ryan": 20, "eric": 21}, "speaker_dialects": {"eric": "sichuan_dialect"},
    "supports_instruct": true, "text_layout": "full",
    "temperature": 0.9, "top_p": 1.0, "repetition_penalty": 1.05, "top_k": 50,
    "subtalker_temperature": 0.8, "subtalker_top_p": 0.95, "subtalker_top_k": 40,
    "min_new_tokens": 2, "max_new_tokens": 8192, "max_piece_tokens": 24, "max_piece_sentences": 3
  })");
}

ModelMetadata tiny_metadata() {
  auto metadata = ModelMetadata::parse(tiny_contract().dump());
  if (!metadata.ok()) {
    std::cerr << metadata.error().message << "\n";
    std::abort();
  }
  return *std::move(metadata);
}

}  // namespace qwen3_tts::testing
