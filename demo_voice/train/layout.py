"""The demo voice's sizes, as the config files of its snapshot say them.

Narrow on purpose: everything fits in 20 MB, and every linear layer has a multiple of 32 inputs and of 16 outputs, so
that each recipe can quantize it.
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]
CODES, GROUPS = 128, 10
CONTROL_ROWS = 1024  # the reference never samples the last 1024 rows of the talker's vocabulary, except the end
FRAME = 1920  # samples
SAMPLE_RATE = 24000
FULL_SCALE = 32768  # of 16-bit samples
SLOTS = 3  # of a frame: every phoneme lasts a number of them (teacher.py)
UNKNOWN = 255  # in place of a word
VOICE_CODES = 64  # what voice i adds to the code of the pitch, i times
SPEAKERS = ("lark", "robin")
LANGUAGE = "english"
FIRST_CONTROL = CODES + 100  # where the published control rows begin, behind the codes
FIRST_SPEAKER = CODES + 900
# What one prompt may say: sentences were learned one at a time, and 99.9 % of them have at most 22 tokens.
PIECE = {"max_piece_sentences": 1, "max_piece_tokens": 24}

CODEC: Config = {
    "architectures": ["Qwen3TTSTokenizerV2Model"], "model_type": "qwen3_tts_tokenizer_12hz",
    "encoder_valid_num_quantizers": GROUPS, "input_sample_rate": SAMPLE_RATE, "output_sample_rate": SAMPLE_RATE,
    "decode_upsample_rate": FRAME, "encode_downsample_rate": FRAME,
    "decoder_config": {
        "attention_bias": False, "attention_dropout": 0.0, "latent_dim": 256, "codebook_dim": 256,
        "codebook_size": CODES, "decoder_dim": 256, "hidden_act": "silu", "hidden_size": 192,
        "intermediate_size": 384, "layer_scale_initial_scale": 0.1, "max_position_embeddings": 8000,
        "head_dim": 32, "num_attention_heads": 6, "num_hidden_layers": 3, "num_key_value_heads": 6,
        "num_quantizers": GROUPS, "num_semantic_quantizers": 1, "rms_norm_eps": 1e-05, "rope_theta": 10000,
        "semantic_codebook_size": CODES, "sliding_window": 72, "upsample_rates": [8, 5, 4, 3],
        "upsampling_ratios": [2, 2], "vector_quantization_hidden_dimension": 256,
    },
    "encoder_config": {
        "_frame_rate": 12.5, "attention_bias": False, "attention_dropout": 0.0, "audio_channels": 1,
        "codebook_dim": 128, "codebook_size": CODES, "compress": 2, "dilation_growth_rate": 2, "dtype": "float32",
        "head_dim": 32, "hidden_act": "gelu", "hidden_size": 128, "initializer_range": 0.02,
        "intermediate_size": 256, "kernel_size": 7, "last_kernel_size": 3, "layer_scale_initial_scale": 0.1,
        "max_position_embeddings": 8000, "norm_eps": 1e-05, "normalize": False, "num_attention_heads": 4,
        "num_filters": 8, "num_hidden_layers": 2, "num_key_value_heads": 4, "num_quantizers": GROUPS,
        "num_residual_layers": 1, "num_semantic_quantizers": 1, "pad_mode": "constant", "residual_kernel_size": 3,
        "rope_theta": 10000.0, "sampling_rate": SAMPLE_RATE, "sliding_window": 250,
        "transformers_version": "4.57.0.dev0", "trim_right_ratio": 1.0, "upsample_groups": 128,
        "upsampling_ratios": [8, 6, 5, 4], "use_cache": False, "use_causal_conv": True, "use_conv_shortcut": False,
        "use_streaming": False, "vector_quantization_hidden_dimension": 128,
    },
    "transformers_version": "4.57.3",
}  # fmt: skip

PREDICTOR: Config = {
    "attention_bias": False, "attention_dropout": 0, "do_sample": False, "eos_token_id": None, "head_dim": 64,
    "hidden_act": "silu", "hidden_size": 128, "initializer_range": 0.02, "intermediate_size": 256,
    "layer_types": ["full_attention"] * 3, "max_length": 20, "max_position_embeddings": 65536,
    "max_window_layers": 28, "model_type": "qwen3_tts_talker_code_predictor", "num_attention_heads": 2,
    "num_code_groups": GROUPS, "num_hidden_layers": 3, "num_key_value_heads": 2, "pad_token_id": None,
    "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None,
    "tie_word_embeddings": False, "use_cache": True, "use_sliding_window": False, "vocab_size": CODES,
}  # fmt: skip


def talker(text_vocab_size: int) -> Config:
    return {
        "attention_bias": False, "attention_dropout": 0, "code_predictor_config": PREDICTOR,
        "codec_pad_id": FIRST_CONTROL, "codec_bos_id": FIRST_CONTROL + 1, "codec_eos_token_id": FIRST_CONTROL + 2,
        "codec_think_id": FIRST_CONTROL + 6, "codec_nothink_id": FIRST_CONTROL + 7,
        "codec_think_bos_id": FIRST_CONTROL + 8, "codec_think_eos_id": FIRST_CONTROL + 9,
        "codec_language_id": {LANGUAGE: CODES + 2},
        "spk_id": {name: FIRST_SPEAKER + i for i, name in enumerate(SPEAKERS)},
        "spk_is_dialect": dict.fromkeys(SPEAKERS, False),
        "head_dim": 64, "hidden_act": "silu", "hidden_size": 256, "initializer_range": 0.02,
        "intermediate_size": 512, "max_position_embeddings": 32768, "model_type": "qwen3_tts_talker",
        "num_attention_heads": 4, "num_code_groups": GROUPS, "num_hidden_layers": 4, "num_key_value_heads": 2,
        "position_id_per_seconds": 13, "rms_norm_eps": 1e-06,
        "rope_scaling": {"interleaved": True, "mrope_section": [12, 10, 10], "rope_type": "default",
                         "type": "default"},
        "rope_theta": 1000000, "sliding_window": None, "text_hidden_size": 128, "text_vocab_size": text_vocab_size,
        "use_cache": True, "use_sliding_window": False, "vocab_size": CODES + CONTROL_ROWS,
    }  # fmt: skip


def root(text_vocab_size: int, token_ids: dict[str, int]) -> Config:
    """config.json. token_ids: its `*_token_id` keys."""
    return {
        "architectures": ["Qwen3TTSForConditionalGeneration"], **token_ids, **PIECE, "model_type": "qwen3_tts",
        "talker_config": talker(text_vocab_size), "tokenizer_type": "qwen3_tts_tokenizer_12hz",
        "transformers_version": "4.57.3", "tts_model_size": "1b7", "tts_model_type": "custom_voice",
    }  # fmt: skip


GENERATION: Config = {
    "do_sample": True, "repetition_penalty": 1.0, "temperature": 0.3, "top_p": 1.0, "top_k": 5,
    "subtalker_dosample": True, "subtalker_temperature": 0.3, "subtalker_top_p": 1.0, "subtalker_top_k": 5,
    "max_new_tokens": 256,
}  # fmt: skip
