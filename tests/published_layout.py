"""What a published Qwen3-TTS snapshot looks like: config files and the names, shapes and dtypes of its tensors.

Written down a second time, apart from `qwen3_tts/convert/weight_map.py`, so that a mistake there cannot hide: the
random checkpoints of the tests come from here. The full sizes reproduce the published file sizes to the byte.

Besides its shape each tensor has the distribution its random values are drawn from, chosen so that activations stay
of order one through the whole stack and greedy picks are rarely near ties.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]

LANGUAGES = {
    "chinese": 2055, "english": 2050, "german": 2053, "italian": 2070, "portuguese": 2071, "spanish": 2054,
    "japanese": 2058, "korean": 2064, "french": 2061, "russian": 2069,
}  # fmt: skip
DIALECTS = {"beijing_dialect": 2074, "sichuan_dialect": 2062}
SPEAKERS = {
    "serena": 3066, "vivian": 3065, "uncle_fu": 3010, "ryan": 3061, "aiden": 2861, "ono_anna": 2873, "sohee": 2864,
    "eric": 2875, "dylan": 2878,
}  # fmt: skip
SPEAKER_DIALECTS = {"eric": "sichuan_dialect", "dylan": "beijing_dialect"}
CONTROL_ROWS = {
    "codec_pad_id": 2148, "codec_bos_id": 2149, "codec_eos_token_id": 2150, "codec_think_id": 2154,
    "codec_nothink_id": 2155, "codec_think_bos_id": 2156, "codec_think_eos_id": 2157,
}  # fmt: skip

GENERATION_CONFIG: Config = {
    "do_sample": True, "repetition_penalty": 1.05, "temperature": 0.9, "top_p": 1.0, "top_k": 50,
    "subtalker_dosample": True, "subtalker_temperature": 0.9, "subtalker_top_p": 1.0, "subtalker_top_k": 50,
    "max_new_tokens": 8192,
}  # fmt: skip
PREPROCESSOR_CONFIG: Config = {
    "padding_side": "left", "padding_value": 0.0, "processor_class": "Qwen3TTSProcessor",
    "return_attention_mask": True,
}  # fmt: skip
CODEC_PREPROCESSOR_CONFIG: Config = {
    "chunk_length_s": None, "feature_extractor_type": "EncodecFeatureExtractor", "feature_size": 1, "overlap": None,
    "padding_side": "right", "padding_value": 0.0, "return_attention_mask": True, "sampling_rate": 24000,
}  # fmt: skip
CODEC_CONFIGURATION: Config = {"framework": "pytorch", "task": "feature-extraction", "allow_remote": True}

SPEAKER_ENCODER: Config = {
    "mel_dim": 128, "enc_channels": [512, 512, 512, 512, 1536], "enc_kernel_sizes": [5, 3, 3, 3, 1],
    "enc_attention_channels": 128, "enc_res2net_scale": 8, "enc_se_channels": 128,
}  # fmt: skip

# Published sizes: (tts_model_size, tts_model_type).
PUBLISHED = {
    "0.6b-base": ("0b6", "base"),
    "0.6b-customvoice": ("0b6", "custom_voice"),
    "1.7b-base": ("1b7", "base"),
    "1.7b-customvoice": ("1b7", "custom_voice"),
    "1.7b-voicedesign": ("1b7", "voice_design"),
}
# Small ones: (tts_model_size, tts_model_type, talker width). The code predictor is 64 wide, so 96 has a projection.
TINY = {
    "tiny-base": ("0b6", "base", 64),
    "tiny-customvoice": ("1b7", "custom_voice", 64),
    "tiny-voicedesign": ("1b7", "voice_design", 64),
    "tiny-mtp": ("1b7", "base", 96),
}
SIZES = (*TINY, *PUBLISHED)
# The reference masks the last 1024 rows of the talker's vocabulary, so there are always 1024 rows besides the codes.
CONTROL_SPACE = 1024
TINY_CODES = 256
TINY_GROUPS = 6  # the code predictor is unrolled over them, which is most of what an export costs


def is_tiny(size: str) -> bool:
    return size in TINY


# ---------------------------------------------------------------------------------------------------------------------
# Config files
# ---------------------------------------------------------------------------------------------------------------------


def code_predictor_config(num_layers: int, **changes: Any) -> Config:
    config: Config = {
        "attention_bias": False, "attention_dropout": 0, "do_sample": False, "eos_token_id": None, "head_dim": 128,
        "hidden_act": "silu", "hidden_size": 1024, "initializer_range": 0.02, "intermediate_size": 3072,
        "layer_types": ["full_attention"] * num_layers, "max_length": 20, "max_position_embeddings": 65536,
        "max_window_layers": 28, "model_type": "qwen3_tts_talker_code_predictor", "num_attention_heads": 16,
        "num_code_groups": 16, "num_hidden_layers": num_layers, "num_key_value_heads": 8, "pad_token_id": None,
        "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None,
        "tie_word_embeddings": False, "use_cache": True, "use_sliding_window": False, "vocab_size": 2048,
    }  # fmt: skip
    return config | changes


def talker_config(code_predictor: Config, model_type: str, **changes: Any) -> Config:
    """`changes` may replace any key. Control rows move down with a smaller code vocabulary."""
    shift = 2048 - code_predictor["vocab_size"]
    named = model_type == "custom_voice"
    languages = LANGUAGES | (DIALECTS if named else {})
    config: Config = {
        "attention_bias": False, "attention_dropout": 0, "code_predictor_config": code_predictor,
        **{name: row - shift for name, row in CONTROL_ROWS.items()},
        "codec_language_id": {name: row - shift for name, row in languages.items()},
        "spk_id": {name: row - shift for name, row in SPEAKERS.items()} if named else {},
        "spk_is_dialect": {name: SPEAKER_DIALECTS.get(name, False) for name in SPEAKERS} if named else {},
        "head_dim": 128, "hidden_act": "silu", "hidden_size": 1024, "initializer_range": 0.02,
        "intermediate_size": 3072, "max_position_embeddings": 32768, "model_type": "qwen3_tts_talker",
        "num_attention_heads": 16, "num_code_groups": 16, "num_hidden_layers": 28, "num_key_value_heads": 8,
        "position_id_per_seconds": 13, "rms_norm_eps": 1e-06,
        "rope_scaling": {"interleaved": True, "mrope_section": [24, 20, 20], "rope_type": "default", "type": "default"},
        "rope_theta": 1000000, "sliding_window": None, "text_hidden_size": 2048, "text_vocab_size": 151936,
        "use_cache": True, "use_sliding_window": False, "vocab_size": code_predictor["vocab_size"] + CONTROL_SPACE,
    }  # fmt: skip
    return config | changes


def codec_config() -> Config:
    return {
        "architectures": ["Qwen3TTSTokenizerV2Model"], "model_type": "qwen3_tts_tokenizer_12hz",
        "encoder_valid_num_quantizers": 16, "input_sample_rate": 24000, "output_sample_rate": 24000,
        "decode_upsample_rate": 1920, "encode_downsample_rate": 1920,
        "decoder_config": {
            "attention_bias": False, "attention_dropout": 0.0, "latent_dim": 1024, "codebook_dim": 512,
            "codebook_size": 2048, "decoder_dim": 1536, "hidden_act": "silu", "hidden_size": 512,
            "intermediate_size": 1024, "layer_scale_initial_scale": 0.01, "max_position_embeddings": 8000,
            "head_dim": 64, "num_attention_heads": 16, "num_hidden_layers": 8, "num_key_value_heads": 16,
            "num_quantizers": 16, "num_semantic_quantizers": 1, "rms_norm_eps": 1e-05, "rope_theta": 10000,
            "semantic_codebook_size": 4096, "sliding_window": 72, "upsample_rates": [8, 5, 4, 3],
            "upsampling_ratios": [2, 2], "vector_quantization_hidden_dimension": 512,
        },
        "encoder_config": {
            "_frame_rate": 12.5, "attention_bias": False, "attention_dropout": 0.0, "audio_channels": 1,
            "codebook_dim": 256, "codebook_size": 2048, "compress": 2, "dilation_growth_rate": 2, "dtype": "float32",
            "head_dim": 64, "hidden_act": "gelu", "hidden_size": 512, "initializer_range": 0.02,
            "intermediate_size": 2048, "kernel_size": 7, "last_kernel_size": 3, "layer_scale_initial_scale": 0.01,
            "max_position_embeddings": 8000, "norm_eps": 1e-05, "normalize": False, "num_attention_heads": 8,
            "num_filters": 64, "num_hidden_layers": 8, "num_key_value_heads": 8, "num_quantizers": 32,
            "num_residual_layers": 1, "num_semantic_quantizers": 1, "pad_mode": "constant", "residual_kernel_size": 3,
            "rope_theta": 10000.0, "sampling_rate": 24000, "sliding_window": 250,
            "transformers_version": "4.57.0.dev0", "trim_right_ratio": 1.0, "upsample_groups": 512,
            "upsampling_ratios": [8, 6, 5, 4], "use_cache": False, "use_causal_conv": True, "use_conv_shortcut": False,
            "use_streaming": False, "vector_quantization_hidden_dimension": 256,
        },
        "transformers_version": "4.57.3",
    }  # fmt: skip


def tiny_codec_config() -> Config:
    """A small codec of the same structure: 480 samples a frame, and a window of 8 that 24 frames wrap around."""
    config = codec_config()
    config |= {"decode_upsample_rate": 480, "encode_downsample_rate": 480, "encoder_valid_num_quantizers": TINY_GROUPS}
    config["decoder_config"] |= {
        "latent_dim": 64, "codebook_dim": 64, "codebook_size": TINY_CODES, "decoder_dim": 128, "hidden_size": 64,
        "intermediate_size": 96, "head_dim": 16, "num_attention_heads": 4, "num_key_value_heads": 4,
        "num_hidden_layers": 2, "num_quantizers": TINY_GROUPS, "sliding_window": 8, "upsample_rates": [5, 4, 3, 2],
        "vector_quantization_hidden_dimension": 64,
    }  # fmt: skip
    config["encoder_config"] |= {
        "_frame_rate": 50.0, "codebook_dim": 32, "codebook_size": TINY_CODES, "head_dim": 16, "hidden_size": 64,
        "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 4, "num_filters": 8,
        "num_hidden_layers": 2, "num_quantizers": TINY_GROUPS + 4, "upsample_groups": 64,
        "upsampling_ratios": [6, 5, 4, 2], "vector_quantization_hidden_dimension": 32,
    }  # fmt: skip
    return config


def root_config(size: str, token_ids: dict[str, int], text_vocab_size: int) -> Config:
    """The root config.json. token_ids: its `*_token_id` keys; text_vocab_size: rows of the text embedding."""
    speaker_encoder: Config = {"sample_rate": 24000}
    if is_tiny(size):
        model_size, model_type, width = TINY[size]
        predictor = code_predictor_config(
            2, head_dim=16, hidden_size=64, intermediate_size=128, num_attention_heads=4, num_key_value_heads=2,
            vocab_size=TINY_CODES, num_code_groups=TINY_GROUPS,
        )  # fmt: skip
        talker = talker_config(
            predictor, model_type, head_dim=32, hidden_size=width, intermediate_size=160, num_attention_heads=4,
            num_hidden_layers=3, num_key_value_heads=2, num_code_groups=TINY_GROUPS, text_hidden_size=96,
            text_vocab_size=text_vocab_size,
            rope_scaling={"interleaved": True, "mrope_section": [6, 5, 5], "rope_type": "default", "type": "default"},
        )  # fmt: skip
        speaker_encoder |= {
            "enc_channels": [32, 32, 32, 32, 96], "enc_attention_channels": 16, "enc_se_channels": 16
        }  # fmt: skip
    else:
        model_size, model_type = PUBLISHED[size]
        large = {"hidden_size": 2048, "intermediate_size": 6144} if model_size == "1b7" else {}
        talker = talker_config(code_predictor_config(5), model_type, text_vocab_size=text_vocab_size, **large)
    speaker_encoder["enc_dim"] = talker["hidden_size"]
    config: Config = {
        "architectures": ["Qwen3TTSForConditionalGeneration"], **token_ids, "model_type": "qwen3_tts",
        "tokenizer_type": "qwen3_tts_tokenizer_12hz", "tts_model_size": model_size, "tts_model_type": model_type,
    }  # fmt: skip
    if model_type == "base":
        config["speaker_encoder_config"] = speaker_encoder
    return config | {"talker_config": talker, "transformers_version": "4.57.3"}


# ---------------------------------------------------------------------------------------------------------------------
# Tensors
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RandomTensor:
    """A published tensor's name and shape, and how its random values are drawn.

    kind "normal": mean + spread * n; "uniform": evenly in mean ± spread; "usage": a codebook's use counts;
    "codebook": a codebook's sums, spread * n times the counts of the `usage` tensor.
    """

    name: str
    shape: tuple[int, ...]
    spread: float
    mean: float = 0.0
    kind: str = "normal"
    usage: str = ""


def linear(name: str, *shape: int, gain: float = 1.0) -> RandomTensor:
    """Weights [out, in, ...] that keep the variance of their input, times gain squared."""
    return RandomTensor(name, shape, gain / math.sqrt(math.prod(shape[1:])))


def bias(name: str, size: int, spread: float = 0.05) -> RandomTensor:
    return RandomTensor(name, (size,), spread)


def norm(name: str, size: int, gain: float = 1.0) -> RandomTensor:
    return RandomTensor(name, (size,), 0.15 * gain, mean=gain)


def layer_scale(name: str, size: int, scale: float) -> RandomTensor:
    return RandomTensor(name, (size,), 0.5 * scale, mean=scale, kind="uniform")


def conv(name: str, *shape: int, gain: float = 1.0, bias_spread: float = 0.02) -> Iterator[RandomTensor]:
    """Weight [out, in, kernel] and bias."""
    yield linear(f"{name}.weight", *shape, gain=gain)
    yield bias(f"{name}.bias", shape[0], bias_spread)


def transposed_conv(name: str, *shape: int, stride: int, gain: float = 1.0) -> Iterator[RandomTensor]:
    """Weight [in, out, kernel] and bias."""
    yield RandomTensor(f"{name}.weight", shape, gain / math.sqrt(shape[0] * shape[2] / stride))
    yield bias(f"{name}.bias", shape[1], 0.02)


def codebook(prefix: str, total: str, rows: int, size: int, spread: float) -> Iterator[RandomTensor]:
    """Running sums under the name `total` and the counts to divide them by."""
    usage = f"{prefix}.cluster_usage"
    yield RandomTensor(usage, (rows,), 0.75, mean=1.25, kind="usage")
    yield RandomTensor(f"{prefix}.{total}", (rows, size), spread, kind="codebook", usage=usage)


def qwen3_layers(prefix: str, config: Config) -> Iterator[RandomTensor]:
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    residual_gain = 2.0 / math.sqrt(2 * config["num_hidden_layers"])
    for layer in range(config["num_hidden_layers"]):
        p = f"{prefix}.layers.{layer}"
        yield linear(f"{p}.self_attn.q_proj.weight", queries, hidden)
        yield linear(f"{p}.self_attn.k_proj.weight", keys, hidden)
        yield linear(f"{p}.self_attn.v_proj.weight", keys, hidden)
        yield linear(f"{p}.self_attn.o_proj.weight", hidden, queries, gain=residual_gain)
        yield norm(f"{p}.self_attn.q_norm.weight", head, 1.5)  # above one: sharper than uniform attention
        yield norm(f"{p}.self_attn.k_norm.weight", head, 1.5)
        yield linear(f"{p}.mlp.gate_proj.weight", inner, hidden)
        yield linear(f"{p}.mlp.up_proj.weight", inner, hidden)
        yield linear(f"{p}.mlp.down_proj.weight", hidden, inner, gain=residual_gain)
        yield norm(f"{p}.input_layernorm.weight", hidden)
        yield norm(f"{p}.post_attention_layernorm.weight", hidden)
    yield norm(f"{prefix}.norm.weight", hidden)


def talker_tensors(talker: Config) -> Iterator[RandomTensor]:
    predictor = talker["code_predictor_config"]
    hidden, text, inner = talker["hidden_size"], talker["text_hidden_size"], predictor["hidden_size"]
    yield from qwen3_layers("talker.model", talker)
    yield RandomTensor("talker.model.codec_embedding.weight", (talker["vocab_size"], hidden), 0.35)
    yield RandomTensor("talker.model.text_embedding.weight", (talker["text_vocab_size"], text), 1.0)
    yield linear("talker.text_projection.linear_fc1.weight", text, text)
    yield bias("talker.text_projection.linear_fc1.bias", text)
    yield linear("talker.text_projection.linear_fc2.weight", hidden, text)
    yield bias("talker.text_projection.linear_fc2.bias", hidden)
    yield linear("talker.codec_head.weight", talker["vocab_size"], hidden, gain=3.0)
    p = "talker.code_predictor"
    yield from qwen3_layers(f"{p}.model", predictor)
    for group in range(talker["num_code_groups"] - 1):
        yield RandomTensor(f"{p}.model.codec_embedding.{group}.weight", (predictor["vocab_size"], hidden), 0.35)
        yield linear(f"{p}.lm_head.{group}.weight", predictor["vocab_size"], inner, gain=3.0)
    if inner != hidden:
        yield linear(f"{p}.small_to_mtp_projection.weight", inner, hidden)
        yield bias(f"{p}.small_to_mtp_projection.bias", inner)


def speaker_encoder_tensors(config: Config) -> Iterator[RandomTensor]:
    config = SPEAKER_ENCODER | config
    channels, kernels = config["enc_channels"], config["enc_kernel_sizes"]
    attention, squeeze, scale = (
        config["enc_attention_channels"], config["enc_se_channels"], config["enc_res2net_scale"]
    )  # fmt: skip

    def tdnn(name: str, *shape: int, gain: float = 1.0) -> Iterator[RandomTensor]:
        return conv(f"speaker_encoder.{name}", *shape, gain=gain, bias_spread=0.05)

    yield from tdnn("blocks.0.conv", channels[0], config["mel_dim"], kernels[0], gain=0.4)
    for b in range(1, len(channels) - 1):
        width = channels[b]
        yield from tdnn(f"blocks.{b}.tdnn1.conv", width, channels[b - 1], 1, gain=1.4)
        for part in range(scale - 1):
            yield from tdnn(
                f"blocks.{b}.res2net_block.blocks.{part}.conv", width // scale, width // scale, kernels[b], gain=1.2
            )
        yield from tdnn(f"blocks.{b}.tdnn2.conv", width, width, 1, gain=1.4)
        yield from tdnn(f"blocks.{b}.se_block.conv1", squeeze, width, 1)
        yield from tdnn(f"blocks.{b}.se_block.conv2", width, squeeze, 1)
    last = channels[-1]
    yield from tdnn("mfa.conv", last, last, kernels[-1], gain=1.4)
    yield from tdnn("asp.tdnn.conv", attention, 3 * last, 1)
    yield from tdnn("asp.conv", last, attention, 1, gain=2.0)
    yield from tdnn("fc", config["enc_dim"], 2 * last, 1, gain=0.3)


def main_tensors(config: Config) -> Iterator[RandomTensor]:
    """Tensors of model.safetensors (published as BF16)."""
    yield from talker_tensors(config["talker_config"])
    if config["tts_model_type"] == "base":
        yield from speaker_encoder_tensors(config["speaker_encoder_config"])


def codec_transformer_tensors(config: Config) -> Iterator[RandomTensor]:
    hidden, inner, latent = config["hidden_size"], config["intermediate_size"], config["latent_dim"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    prefix = "decoder.pre_transformer"
    for layer in range(config["num_hidden_layers"]):
        p = f"{prefix}.layers.{layer}"
        yield linear(f"{p}.self_attn.q_proj.weight", queries, hidden, gain=1.5)
        yield linear(f"{p}.self_attn.k_proj.weight", keys, hidden, gain=1.5)
        yield linear(f"{p}.self_attn.v_proj.weight", keys, hidden)
        yield linear(f"{p}.self_attn.o_proj.weight", hidden, queries, gain=2.0)
        yield linear(f"{p}.mlp.gate_proj.weight", inner, hidden)
        yield linear(f"{p}.mlp.up_proj.weight", inner, hidden)
        yield linear(f"{p}.mlp.down_proj.weight", hidden, inner, gain=2.0)
        yield norm(f"{p}.input_layernorm.weight", hidden)
        yield norm(f"{p}.post_attention_layernorm.weight", hidden)
        yield layer_scale(f"{p}.self_attn_layer_scale.scale", hidden, 0.25)
        yield layer_scale(f"{p}.mlp_layer_scale.scale", hidden, 0.25)
    yield norm(f"{prefix}.norm.weight", hidden)
    yield linear(f"{prefix}.input_proj.weight", hidden, latent)
    yield bias(f"{prefix}.input_proj.bias", hidden)
    yield linear(f"{prefix}.output_proj.weight", latent, hidden)
    yield bias(f"{prefix}.output_proj.bias", latent)


def codec_quantizer_tensors(config: Config) -> Iterator[RandomTensor]:
    total, half = config["codebook_dim"], config["codebook_dim"] // 2
    for part, count in (("rvq_first", 1), ("rvq_rest", config["num_quantizers"] - 1)):
        p = f"decoder.quantizer.{part}"
        yield linear(f"{p}.input_proj.weight", half, total, 1)
        yield linear(f"{p}.output_proj.weight", total, half, 1)
        for level in range(count):
            book = f"{p}.vq.layers.{level}._codebook"
            yield from codebook(book, "embedding_sum", config["codebook_size"], half, 1 / math.sqrt(count))


def convnext_tensors(prefix: str, latent: int) -> Iterator[RandomTensor]:
    yield layer_scale(f"{prefix}.gamma", latent, 0.4)
    yield from conv(f"{prefix}.dwconv.conv", latent, 1, 7, gain=2.0)
    yield norm(f"{prefix}.norm.weight", latent)
    yield bias(f"{prefix}.norm.bias", latent)
    yield linear(f"{prefix}.pwconv1.weight", 4 * latent, latent)
    yield bias(f"{prefix}.pwconv1.bias", 4 * latent)
    yield linear(f"{prefix}.pwconv2.weight", latent, 4 * latent, gain=1.5)
    yield bias(f"{prefix}.pwconv2.bias", latent)


def snake(prefix: str, channels: int) -> Iterator[RandomTensor]:
    yield bias(f"{prefix}.alpha", channels, 0.4)
    yield bias(f"{prefix}.beta", channels, 0.4)


def codec_decoder_tensors(config: Config) -> Iterator[RandomTensor]:
    latent, width = config["latent_dim"], config["decoder_dim"]
    yield from codec_quantizer_tensors(config)
    yield from conv("decoder.pre_conv.conv", latent, config["codebook_dim"], 3)
    yield from codec_transformer_tensors(config)
    for k, factor in enumerate(config["upsampling_ratios"]):
        yield from transposed_conv(f"decoder.upsample.{k}.0.conv", latent, latent, factor, stride=factor)
        yield from convnext_tensors(f"decoder.upsample.{k}.1", latent)
    yield from conv("decoder.decoder.0.conv", width, latent, 7)
    for k, rate in enumerate(config["upsample_rates"]):
        p, out = f"decoder.decoder.{k + 1}.block", width // 2
        yield from snake(f"{p}.0", width)
        yield from transposed_conv(f"{p}.1.conv", width, out, 2 * rate, stride=rate, gain=0.8)
        for unit in range(2, 5):
            yield from snake(f"{p}.{unit}.act1", out)
            yield from conv(f"{p}.{unit}.conv1.conv", out, out, 7, gain=0.8)
            yield from snake(f"{p}.{unit}.act2", out)
            yield from conv(f"{p}.{unit}.conv2.conv", out, out, 1, gain=0.35)
        width = out
    count = len(config["upsample_rates"])
    yield from snake(f"decoder.decoder.{count + 1}", width)
    yield from conv(f"decoder.decoder.{count + 2}.conv", 1, width, 7, gain=0.08)


def codec_encoder_tensors(config: Config) -> Iterator[RandomTensor]:
    width, index = config["num_filters"], 1
    p = "encoder.encoder.layers"
    yield from conv(f"{p}.0.conv", width, config["audio_channels"], config["kernel_size"], gain=2.0)
    for ratio in reversed(config["upsampling_ratios"]):
        inner = width // config["compress"]
        yield from conv(f"{p}.{index}.block.1.conv", inner, width, config["residual_kernel_size"], gain=1.2)
        yield from conv(f"{p}.{index}.block.3.conv", width, inner, 1)
        yield from conv(f"{p}.{index + 2}.conv", 2 * width, width, 2 * ratio, gain=1.2)
        width, index = 2 * width, index + 3
    hidden = config["hidden_size"]
    yield from conv(f"{p}.{index + 1}.conv", hidden, width, config["last_kernel_size"], gain=1.2)
    yield from codec_encoder_transformer_tensors(config)
    yield linear("encoder.downsample.conv.weight", hidden, hidden, 4, gain=1.5)
    rows, size, inner = (
        config["codebook_size"], config["codebook_dim"], config["vector_quantization_hidden_dimension"]
    )  # fmt: skip
    semantic = config["num_semantic_quantizers"]
    for part, count in (("semantic", semantic), ("acoustic", config["num_quantizers"] - semantic)):
        p = f"encoder.quantizer.{part}_residual_vector_quantizer"
        for level in range(count):
            book = f"{p}.layers.{level}.codebook"
            yield RandomTensor(f"{book}.initialized", (1,), 0.0, mean=1.0)
            yield from codebook(book, "embed_sum", rows, size, 0.9**level)
        yield linear(f"{p}.input_proj.weight", inner, hidden, 1)
        yield linear(f"{p}.output_proj.weight", hidden, inner, 1)


def codec_encoder_transformer_tensors(config: Config) -> Iterator[RandomTensor]:
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    width = config["num_attention_heads"] * config["head_dim"]
    for layer in range(config["num_hidden_layers"]):
        p = f"encoder.encoder_transformer.layers.{layer}"
        yield linear(f"{p}.self_attn.q_proj.weight", width, hidden, gain=1.5)
        yield linear(f"{p}.self_attn.k_proj.weight", width, hidden, gain=1.5)
        yield linear(f"{p}.self_attn.v_proj.weight", width, hidden)
        yield linear(f"{p}.self_attn.o_proj.weight", hidden, width, gain=2.0)
        yield linear(f"{p}.mlp.fc1.weight", inner, hidden)
        yield linear(f"{p}.mlp.fc2.weight", hidden, inner, gain=2.0)
        for name in ("input_layernorm", "post_attention_layernorm"):
            yield norm(f"{p}.{name}.weight", hidden)
            yield bias(f"{p}.{name}.bias", hidden)
        yield layer_scale(f"{p}.self_attn_layer_scale.scale", hidden, 0.25)
        yield layer_scale(f"{p}.mlp_layer_scale.scale", hidden, 0.25)


def codec_tensors(config: Config) -> Iterator[RandomTensor]:
    """Tensors of speech_tokenizer/model.safetensors (published as F32)."""
    yield from codec_encoder_tensors(config["encoder_config"])
    yield from codec_decoder_tensors(config["decoder_config"])
