"""The contract between a `model.pte` and the runner: one JSON object in the constant method `contract`.

This module is the only place that knows the fields besides `runner/include/qwen3_tts/model_metadata.h`, which documents
them. The text tokenizer's tables travel beside it in the constant method `tokenizer`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from qwen3_tts.config import ModelConfig
from qwen3_tts.recipe import Recipe
from qwen3_tts.text_tokenizer import TextTokenizer

CONTRACT_VERSION = 3
# Hard-wired in the reference's generate(): the end token is banned for the first two.
MIN_NEW_TOKENS = 2
# Ids or rows that one call takes, on a CPU and on a GPU, whose static prefill always has as many. Longer prompts loop:
# attention's memory plan grows with this, speed does not.
MAX_ROWS = 128
# Utterances that share a call on a CPU: beyond that a further row costs as much as alone (docs/performance.md).
MAX_BATCH = 16
# Utterances whose keys and values the talker's cache may hold. It is address space: memory follows use.
MAX_SLOTS = 256


def supports_instruct(config: ModelConfig) -> bool:
    """The reference takes an instruct text for VoiceDesign, and for CustomVoice unless it is the 0.6B."""
    return config.model_type == "voice_design" or (config.model_type == "custom_voice" and config.model_size != "0b6")


def dialects(config: ModelConfig) -> list[str]:
    """Language names that only a speaker can choose."""
    return sorted(name for name in config.languages if "dialect" in name.lower())


def text_layout(config: ModelConfig) -> str:
    """The reference's default: voice cloning streams the text, the other two prefill it."""
    return "streaming" if config.model_type == "base" else "full"


def build_contract(
    config: ModelConfig,
    tokenizer: TextTokenizer,
    *,
    max_seq_len: int,
    max_batch: int,
    max_decode_frames: int,
    recipe: Recipe,
    backend: str,
) -> dict[str, Any]:
    """Every number and name the runner needs, under the names of ModelMetadata."""
    ids, sampling = config.token_ids, config.sampling
    return {
        "contract_version": CONTRACT_VERSION,
        "model_type": config.model_type,
        "model_size": config.model_size,
        "sample_rate": config.codec.sample_rate,
        "samples_per_frame": config.codec.samples_per_frame,
        "num_code_groups": config.num_code_groups,
        "code_vocab_size": config.code_vocab_size,
        "talker_vocab_size": config.talker_vocab_size,
        "text_vocab_size": config.text_vocab_size,
        "hidden_size": config.talker.hidden_size,
        "code_predictor_hidden_size": config.code_predictor.hidden_size,
        "max_seq_len": max_seq_len,
        "max_rows": MAX_ROWS,
        "max_batch": max_batch,
        "max_decode_frames": max_decode_frames,
        "group_offsets": list(config.group_offsets),
        "role_ids": list(tokenizer.role_ids),
        "instruct_prefix_ids": list(tokenizer.instruct_prefix_ids),
        "instruct_suffix_ids": list(tokenizer.instruct_suffix_ids),
        "tts_pad_id": ids.tts_pad,
        "tts_bos_id": ids.tts_bos,
        "tts_eos_id": ids.tts_eos,
        "codec_pad_id": ids.codec_pad,
        "codec_bos_id": ids.codec_bos,
        "codec_eos_id": ids.codec_eos,
        "codec_think_id": ids.codec_think,
        "codec_nothink_id": ids.codec_nothink,
        "codec_think_bos_id": ids.codec_think_bos,
        "codec_think_eos_id": ids.codec_think_eos,
        "languages": config.languages,
        "dialects": dialects(config),
        "speakers": config.speakers,
        "speaker_dialects": config.speaker_dialects,
        "supports_instruct": supports_instruct(config),
        "text_layout": text_layout(config),
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "repetition_penalty": sampling.repetition_penalty,
        "subtalker_temperature": sampling.subtalker_temperature,
        "subtalker_top_k": sampling.subtalker_top_k,
        "subtalker_top_p": sampling.subtalker_top_p,
        "min_new_tokens": MIN_NEW_TOKENS,
        "max_new_tokens": sampling.max_new_tokens,
        "max_piece_tokens": config.max_piece_tokens,
        "max_piece_sentences": config.max_piece_sentences,
        "recipe": {"backend": backend, **dataclasses.asdict(recipe)},
    }
