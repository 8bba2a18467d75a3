"""Configuration of the two voice encoders, which only Base checkpoints have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from qwen3_tts.config import CODEC_SECTION, MAX_LAYERS
from qwen3_tts.config_file import CONVERT_AGAIN, ConfigError, Section, read_json


@dataclass(frozen=True)
class SpeakerEncoderConfig:
    """ECAPA-TDNN (config.json, speaker_encoder_config). Tuples have one value a block; the last is that of `mfa`."""

    sample_rate: int
    mel_dim: int
    channels: tuple[int, ...]
    kernels: tuple[int, ...]
    dilations: tuple[int, ...]
    attention_channels: int
    squeeze_channels: int
    res2net_scale: int
    x_vector_size: int  # the talker's width: an x-vector stands in a prompt row

    @classmethod
    def read(cls, section: Section) -> SpeakerEncoderConfig:
        config = cls(
            sample_rate=section.expect("sample_rate", (24000,)),  # the mel front end's constants belong to it
            mel_dim=section.integer("mel_dim"),
            channels=section.integers("enc_channels"),
            kernels=section.integers("enc_kernel_sizes"),
            dilations=section.integers("enc_dilations"),
            attention_channels=section.integer("enc_attention_channels"),
            squeeze_channels=section.integer("enc_se_channels"),
            res2net_scale=section.integer("enc_res2net_scale", maximum=MAX_LAYERS),
            x_vector_size=section.integer("enc_dim"),
        )
        config._check(section.path)
        return config

    def _check(self, path: str) -> None:
        *blocks, last = self.channels
        if not len(self.channels) == len(self.kernels) == len(self.dilations) >= 3:
            raise ConfigError(f"{path}: enc_channels, enc_kernel_sizes and enc_dilations must have one length, above 2")
        if any(kernel % 2 == 0 for kernel in self.kernels):
            raise ConfigError(f"{path}: enc_kernel_sizes {self.kernels} must be odd: as many rows come out as go in")
        if len(set(blocks)) > 1 or last != sum(blocks[1:]) or blocks[0] % self.res2net_scale or self.kernels[-1] != 1:
            raise ConfigError(
                f"{path}: enc_channels {self.channels} must be one width, a multiple of enc_res2net_scale "
                f"{self.res2net_scale}, and last the sum of all but the first, with a kernel of 1"
            )


@dataclass(frozen=True)
class CodecEncoderConfig:
    """The codec encoder (speech_tokenizer/config.json, encoder_config): a Mimi encoder."""

    sample_rate: int
    samples_per_frame: int
    num_code_groups: int
    num_levels: int  # of codebooks; those beyond the code groups are not used
    codebook_size: int
    codebook_dim: int
    num_filters: int
    compress: int
    kernel_size: int
    residual_kernel_size: int
    last_kernel_size: int
    ratios: tuple[int, ...]  # of the strided convolutions, in the order of the data flow
    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    head_dim: int
    rope_theta: float
    norm_eps: float

    @property
    def samples_per_row(self) -> int:
        """Samples behind one row of the transformer; a frame is two rows."""
        return math.prod(self.ratios)

    @classmethod
    def read(cls, speech_tokenizer: Section) -> CodecEncoderConfig:
        section = speech_tokenizer.section("encoder_config")
        for key, known in (
            ("audio_channels", 1), ("hidden_act", "gelu"), ("attention_bias", False), ("num_residual_layers", 1),
            ("num_semantic_quantizers", 1), ("pad_mode", "constant"), ("use_causal_conv", True),
            ("use_conv_shortcut", False), ("num_key_value_heads", section.integer("num_attention_heads")),
        ):  # fmt: skip
            section.expect(key, (known,))
        config = cls(
            sample_rate=speech_tokenizer.integer("input_sample_rate"),
            samples_per_frame=speech_tokenizer.integer("encode_downsample_rate"),
            num_code_groups=speech_tokenizer.integer("encoder_valid_num_quantizers", maximum=MAX_LAYERS),
            num_levels=section.integer("num_quantizers", maximum=MAX_LAYERS),
            codebook_size=section.integer("codebook_size"),
            codebook_dim=section.integer("codebook_dim"),
            num_filters=section.integer("num_filters"),
            compress=section.integer("compress"),
            kernel_size=section.integer("kernel_size"),
            residual_kernel_size=section.integer("residual_kernel_size"),
            last_kernel_size=section.integer("last_kernel_size"),
            ratios=tuple(reversed(section.integers("upsampling_ratios"))),
            hidden_size=section.integer("hidden_size"),
            intermediate_size=section.integer("intermediate_size"),
            num_layers=section.integer("num_hidden_layers", maximum=MAX_LAYERS),
            num_heads=section.integer("num_attention_heads"),
            head_dim=section.integer("head_dim"),
            rope_theta=section.number("rope_theta", minimum=1),
            norm_eps=section.number("norm_eps"),
        )
        if 2 * config.samples_per_row != config.samples_per_frame:
            raise ConfigError(
                f"{section.path}: upsampling_ratios multiply to {config.samples_per_row}, and twice that must be "
                f"encode_downsample_rate, which is {config.samples_per_frame}"
            )
        section.expect("vector_quantization_hidden_dimension", (config.codebook_dim,))
        config._check(section.path)
        return config

    def _check(self, path: str) -> None:
        if self.compress > self.num_filters or self.head_dim % 2:
            raise ConfigError(
                f"{path}: compress {self.compress} must not be above num_filters {self.num_filters}, and head_dim "
                f"{self.head_dim} must be even"
            )
        if self.num_code_groups > self.num_levels:
            raise ConfigError(
                f"{path}: num_quantizers is {self.num_levels}, less than encoder_valid_num_quantizers, which is "
                f"{self.num_code_groups}"
            )


@dataclass(frozen=True)
class VoiceEncoderConfig:
    speaker_encoder: SpeakerEncoderConfig
    codec_encoder: CodecEncoderConfig

    @classmethod
    def load(cls, folder: Path) -> VoiceEncoderConfig:
        """Read a Base checkpoint folder's config.json. Raises ConfigError, also for another type, or OSError."""
        root = read_json(folder / "config.json", "config", CONVERT_AGAIN)
        if root["tts_model_type"] != "base":
            raise ConfigError(
                f"{root.path}: a {root['tts_model_type']} checkpoint has no voice encoders; take a Base checkpoint"
            )
        return cls.read(root, root.section(CODEC_SECTION))

    @classmethod
    def read(cls, root: Section, speech_tokenizer: Section) -> VoiceEncoderConfig:
        """Out of a Base model's configuration. Raises ConfigError."""
        speaker_encoder = root.section("speaker_encoder_config")
        speaker_encoder.expect("enc_dim", (root.section("talker_config").integer("hidden_size"),))
        config = cls(SpeakerEncoderConfig.read(speaker_encoder), CodecEncoderConfig.read(speech_tokenizer))
        config._check_codes(speech_tokenizer)
        return config

    def _check_codes(self, speech_tokenizer: Section) -> None:
        """The codes of a recording stand in a prompt among those that the model speaks."""
        encoder, decoder = self.codec_encoder, speech_tokenizer.section("decoder_config")
        for what, ours, theirs in (
            ("code groups", encoder.num_code_groups, decoder["num_quantizers"]),
            ("codes of a group", encoder.codebook_size, decoder["codebook_size"]),
        ):
            if ours != theirs:
                raise ConfigError(f"{speech_tokenizer.path}: {what}: the encoder has {ours}, the decoder {theirs!r}")
