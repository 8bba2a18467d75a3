"""The rows of voice_encoder.safetensors, and which source tensors a checkpoint does without.

The voice encoders keep the names that qwen-tts 0.1.1 gives them, with the prefixes `speaker_encoder.` and
`codec_encoder.`, and its shapes. They only serve cloning, so only Base models have them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from qwen3_tts.convert.weight_map import Row, plain
from qwen3_tts.voice_config import CodecEncoderConfig, SpeakerEncoderConfig, VoiceEncoderConfig

CODEC_ENCODER = "speech_tokenizer/encoder."


@dataclass(frozen=True)
class NotNeeded:
    """Source tensors that are left out, and why."""

    names: re.Pattern[str]  # matches whole names
    what: str
    reason: str


def not_needed(voice_encoders: VoiceEncoderConfig | None) -> Iterator[NotNeeded]:
    """The source tensors that may be there and are not converted. voice_encoders: None unless the model is a Base."""
    yield NotNeeded(
        re.compile(r"speech_tokenizer/decoder\.quantizer\.rvq_(first|rest)\.input_proj\.weight"),
        "input projections of the codec decoder's quantizer",
        "they go from audio to codes; the decoder only looks codes up",
    )
    if voice_encoders is None:
        encoders = re.compile(r"(speech_tokenizer/encoder|speaker_encoder)\..*")
        yield NotNeeded(encoders, "voice encoders", "only a Base model encodes reference audio")
        return
    quantizer = r"speech_tokenizer/encoder\.quantizer\.(semantic|acoustic)_residual_vector_quantizer\."
    yield NotNeeded(
        re.compile(quantizer + r"output_proj\.weight"),
        "output projections of the codec encoder's quantizers",
        "they go from codes to audio; the encoder only looks for codes",
    )
    yield NotNeeded(
        re.compile(quantizer + r"layers\.\d+\.codebook\.initialized"),
        "flags of the codec encoder's codebooks",
        "only training reads them",
    )
    config = voice_encoders.codec_encoder
    beyond = "|".join(str(level) for level in range(config.num_code_groups - 1, config.num_levels))
    yield NotNeeded(
        re.compile(rf"{quantizer}layers\.({beyond})\.codebook\.(embed_sum|cluster_usage)"),
        "codec encoder levels beyond the code groups",
        "no code of theirs is ever used",
    )


def voice_encoder_rows(config: VoiceEncoderConfig) -> Iterator[Row]:
    """voice_encoder.safetensors of a Base model."""
    yield from _speaker_encoder_rows(config.speaker_encoder)
    yield from _codec_encoder_rows(config.codec_encoder)


def _conv(target: str, source: str, *shape: int) -> Iterator[Row]:
    """Weight [out, in, kernel] and bias [out], as they are."""
    yield plain(f"{target}.weight", f"{source}.weight", *shape)
    yield plain(f"{target}.bias", f"{source}.bias", shape[0])


def _speaker_encoder_rows(config: SpeakerEncoderConfig) -> Iterator[Row]:
    channels, kernels, scale, squeeze = config.channels, config.kernels, config.res2net_scale, config.squeeze_channels

    def tdnn(name: str, *shape: int) -> Iterator[Row]:
        return _conv(f"speaker_encoder.{name}", f"speaker_encoder.{name}", *shape)

    yield from tdnn("blocks.0.conv", channels[0], config.mel_dim, kernels[0])
    for b in range(1, len(channels) - 1):
        size, part = channels[b], channels[b] // scale
        yield from tdnn(f"blocks.{b}.tdnn1.conv", size, channels[b - 1], 1)
        for p in range(scale - 1):
            yield from tdnn(f"blocks.{b}.res2net_block.blocks.{p}.conv", part, part, kernels[b])
        yield from tdnn(f"blocks.{b}.tdnn2.conv", size, size, 1)
        yield from tdnn(f"blocks.{b}.se_block.conv1", squeeze, size, 1)
        yield from tdnn(f"blocks.{b}.se_block.conv2", size, squeeze, 1)
    last, attention = channels[-1], config.attention_channels
    yield from tdnn("mfa.conv", last, last, kernels[-1])
    yield from tdnn("asp.tdnn.conv", attention, 3 * last, 1)
    yield from tdnn("asp.conv", last, attention, 1)
    yield from tdnn("fc", config.x_vector_size, 2 * last, 1)


def _codec_encoder_rows(config: CodecEncoderConfig) -> Iterator[Row]:
    hidden, size = config.hidden_size, config.codebook_dim
    yield from _codec_encoder_convolutions(config)
    yield from _codec_encoder_layers(config)
    # The last downsampling: a kernel of twice its stride, which is the 2 that is missing in the ratios.
    yield _same("downsample.conv.weight", hidden, hidden, 4)
    for part, levels in (("semantic", 1), ("acoustic", config.num_code_groups - 1)):
        quantizer = f"quantizer.{part}_residual_vector_quantizer"
        yield _same(f"{quantizer}.input_proj.weight", size, hidden, 1)
        for level in range(levels):
            yield _same(f"{quantizer}.layers.{level}.codebook.embed_sum", config.codebook_size, size)
            yield _same(f"{quantizer}.layers.{level}.codebook.cluster_usage", config.codebook_size)


def _same(name: str, *shape: int) -> Row:
    return plain(f"codec_encoder.{name}", f"{CODEC_ENCODER}{name}", *shape)


def _same_conv(name: str, *shape: int) -> Iterator[Row]:
    return _conv(f"codec_encoder.{name}", f"{CODEC_ENCODER}{name}", *shape)


def _codec_encoder_convolutions(config: CodecEncoderConfig) -> Iterator[Row]:
    """Layers are numbered with the activations between them, which have no tensors."""
    width, index, layers = config.num_filters, 1, "encoder.layers"
    yield from _same_conv(f"{layers}.0.conv", width, 1, config.kernel_size)
    for ratio in config.ratios:
        inner = width // config.compress
        yield from _same_conv(f"{layers}.{index}.block.1.conv", inner, width, config.residual_kernel_size)
        yield from _same_conv(f"{layers}.{index}.block.3.conv", width, inner, 1)
        yield from _same_conv(f"{layers}.{index + 2}.conv", 2 * width, width, 2 * ratio)
        width, index = 2 * width, index + 3
    yield from _same_conv(f"{layers}.{index + 1}.conv", config.hidden_size, width, config.last_kernel_size)


def _codec_encoder_layers(config: CodecEncoderConfig) -> Iterator[Row]:
    hidden, inner, heads = config.hidden_size, config.intermediate_size, config.num_heads * config.head_dim
    for i in range(config.num_layers):
        p = f"encoder_transformer.layers.{i}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            yield _same(f"{p}.{norm}.weight", hidden)
            yield _same(f"{p}.{norm}.bias", hidden)
        for name in "qkv":
            yield _same(f"{p}.self_attn.{name}_proj.weight", heads, hidden)
        yield _same(f"{p}.self_attn.o_proj.weight", hidden, heads)
        yield _same(f"{p}.self_attn_layer_scale.scale", hidden)
        yield _same(f"{p}.mlp.fc1.weight", inner, hidden)
        yield _same(f"{p}.mlp.fc2.weight", hidden, inner)
        yield _same(f"{p}.mlp_layer_scale.scale", hidden)
