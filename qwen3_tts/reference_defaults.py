"""What the reference takes for keys that a snapshot leaves out: the one table of it.

The reference is qwen-tts 0.1.1 with transformers 4.57.3, whose configuration classes have a default for most keys.
Those that decide shapes are not taken: without them a file is damaged. Only the speaker encoder's are, because the
published files leave them out too. `tests/checkpoint_variants.py --reference` compares the table with the package.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Default:
    """source: a class or function of the reference that has the default, or a sentence where none has it."""

    value: Any
    source: str
    is_published: bool = False  # the published files leave the key out: there is nothing to tell


def _of(source: str, *, is_published: bool = False, **values: Any) -> dict[str, Default]:
    return {key: Default(value, source, is_published) for key, value in values.items()}


_MODELS = "qwen_tts.core.models.configuration_qwen3_tts"
_CODEC = "qwen_tts.core.tokenizer_12hz.configuration_qwen3_tts_tokenizer_v2"
_MODELING = "qwen_tts.core.tokenizer_12hz.modeling_qwen3_tts_tokenizer_v2"

# By the name of the object: a file's, or the key that holds it.
DEFAULTS: dict[str, dict[str, Default]] = {
    "config": {
        **_of(
            f"{_MODELS}.Qwen3TTSConfig",
            im_start_token_id=151644,
            im_end_token_id=151645,
            tts_pad_token_id=151671,
            tts_bos_token_id=151672,
            tts_eos_token_id=151673,
            tts_model_size=None,
        ),
        **_of(
            "the reference only prints it; the codec is what speech_tokenizer/config.json says",
            tokenizer_type="qwen3_tts_tokenizer_12hz",
        ),
    },
    "talker_config": _of(
        f"{_MODELS}.Qwen3TTSTalkerConfig",
        hidden_act="silu",
        attention_bias=False,
        use_sliding_window=False,
        rms_norm_eps=1e-6,
        rope_theta=10000,
        spk_is_dialect=None,
    ),
    "code_predictor_config": _of(
        f"{_MODELS}.Qwen3TTSTalkerCodePredictorConfig",
        hidden_act="silu",
        attention_bias=False,
        use_sliding_window=False,
        rms_norm_eps=1e-6,
        rope_theta=10000,
    ),
    "speaker_encoder_config": {
        **_of(f"{_MODELS}.Qwen3TTSSpeakerEncoderConfig", sample_rate=24000),
        **_of(
            f"{_MODELS}.Qwen3TTSSpeakerEncoderConfig",
            is_published=True,
            mel_dim=128,
            enc_channels=[512, 512, 512, 512, 1536],
            enc_kernel_sizes=[5, 3, 3, 3, 1],
            enc_dilations=[1, 2, 3, 4, 1],
            enc_attention_channels=128,
            enc_res2net_scale=8,
            enc_se_channels=128,
        ),
    },
    "speech_tokenizer_config": _of(
        f"{_CODEC}.Qwen3TTSTokenizerV2Config",
        encoder_valid_num_quantizers=16,
        input_sample_rate=24000,
        output_sample_rate=24000,
        decode_upsample_rate=1920,
        encode_downsample_rate=1920,
    ),
    "decoder_config": {
        **_of(
            f"{_CODEC}.Qwen3TTSTokenizerV2DecoderConfig",
            hidden_act="silu",
            attention_bias=False,
            rms_norm_eps=1e-5,
            rope_theta=10000,
            sliding_window=72,
        ),
        **_of(f"{_MODELING}.SplitResidualVectorQuantizer is built with n_q_semantic=1", num_semantic_quantizers=1),
    },
    "encoder_config": _of(
        "transformers.models.mimi.configuration_mimi.MimiConfig",
        audio_channels=1,
        hidden_act="gelu",
        attention_bias=False,
        norm_eps=1e-5,
        rope_theta=10000.0,
        num_residual_layers=1,
        num_semantic_quantizers=1,
        pad_mode="constant",
        use_causal_conv=True,
        use_conv_shortcut=False,
    ),
    # The file is read as it is, so transformers' own defaults (temperature 1.0, no sampling) never count.
    "generation_config": _of(
        "qwen_tts.inference.qwen3_tts_model.Qwen3TTSModel._merge_generate_kwargs",
        do_sample=True,
        top_k=50,
        top_p=1.0,
        temperature=0.9,
        repetition_penalty=1.05,
        subtalker_dosample=True,
        subtalker_top_k=50,
        subtalker_top_p=1.0,
        subtalker_temperature=0.9,
        max_new_tokens=2048,
    ),
}


def fill_in(values: dict[str, Any], kind: str, prefix: str = "") -> dict[str, Any]:
    """Puts the defaults of `kind` that are missing into `values`, and into the objects in it that have some.

    Returns those that the published files would have had, by dotted key.
    """
    told: dict[str, Any] = {}
    for key, default in DEFAULTS.get(kind, {}).items():
        if key not in values:
            values[key] = copy.deepcopy(default.value)
            if not default.is_published:
                told[prefix + key] = default.value
    for key, value in values.items():
        if key in DEFAULTS and isinstance(value, dict):
            told |= fill_in(value, key, f"{prefix}{key}.")
    return told
