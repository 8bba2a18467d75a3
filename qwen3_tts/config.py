"""The checkpoint's configuration, read once from `config.json` and `generation_config.json`.

A checkpoint folder (made by `convert_weights.py`) holds the published root `config.json` with the codec's own
configuration added under `speech_tokenizer_config`. Every key that is read here must be there, or have a default of the
reference (reference_defaults.py): a missing one raises `ConfigError` with its full path. Names follow the stages of
this project, not those of the source files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qwen3_tts.config_file import CONVERT_AGAIN, ConfigError, Section, is_integer, read_json
from qwen3_tts.names import find_same_names

MODEL_TYPES = ("base", "custom_voice", "voice_design")
CODEC_SECTION = "speech_tokenizer_config"  # key of a converted config.json: speech_tokenizer/config.json
DEFAULTS_RECORD = "reference_defaults"  # key of a converted config.json: file -> dotted key -> value; absent if none
ORIGIN_RECORD = "converted_from"  # key of a converted config.json: hub repository and commit; absent for a folder
UNFINISHED = ".unfinished_conversion"  # stands in a checkpoint folder while files are moved into it
SMALLEST = 1e-6  # of a number that must not be 0 and is read in fp32
MAX_LAYERS = 1024  # and of anything else that a model has a number of tensors of
MAX_WINDOW = 8192  # positions: the codec decoder's keys and values are planned for it
UNKNOWN_SIZE = "unknown"  # where the checkpoint does not say; only a CustomVoice model's decides something


def check_rope_type(section: Section) -> None:
    """Raises ConfigError unless positions rotate plainly; the talker's mrope_section only divides equal positions."""
    scaling = section.values.get("rope_scaling")
    if scaling is not None:
        types = section.section("rope_scaling").values
        for key in ("type", "rope_type"):
            if types.get(key, "default") != "default":
                raise ConfigError(
                    f"{section.path}: rope_scaling has the {key} {types[key]!r}; this project knows 'default'"
                )


@dataclass(frozen=True)
class TransformerConfig:
    """One stack of pre-norm decoder layers (talker, code predictor or the codec decoder's transformer)."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    rope_theta: float
    rms_norm_eps: float
    window: int  # positions a query sees, itself included; 0 = all

    @property
    def qkv_size(self) -> int:
        return (self.num_heads + 2 * self.num_kv_heads) * self.head_dim

    @classmethod
    def read(cls, section: Section, *, window: int) -> TransformerConfig:
        section.expect("hidden_act", ("silu", "swish"))  # transformers has both names
        section.expect("attention_bias", (False,))
        check_rope_type(section)
        heads, kv_heads = section.integer("num_attention_heads"), section.integer("num_key_value_heads")
        head_dim = section.integer("head_dim")
        if heads % kv_heads or head_dim % 2:
            raise ConfigError(
                f"{section.path}: num_attention_heads {heads} must be a multiple of num_key_value_heads {kv_heads}, "
                f"and head_dim {head_dim} must be even"
            )
        return cls(
            hidden_size=section.integer("hidden_size"),
            intermediate_size=section.integer("intermediate_size"),
            num_layers=section.integer("num_hidden_layers", maximum=MAX_LAYERS),
            num_heads=heads,
            num_kv_heads=kv_heads,
            head_dim=head_dim,
            rope_theta=section.number("rope_theta", minimum=1),
            rms_norm_eps=section.number("rms_norm_eps"),
            window=window,
        )


@dataclass(frozen=True)
class CodecConfig:
    """The codec decoder (speech_tokenizer/config.json, decoder_config)."""

    sample_rate: int
    samples_per_frame: int
    num_code_groups: int
    codebook_size: int
    codebook_dim: int  # of the summed quantizer output; a single codebook vector is half of it
    latent_dim: int
    decoder_dim: int
    upsampling_ratios: tuple[int, ...]
    upsample_rates: tuple[int, ...]
    transformer: TransformerConfig

    @classmethod
    def read(cls, section: Section) -> CodecConfig:
        decoder = section.section("decoder_config")
        config = cls(
            sample_rate=section.integer("output_sample_rate"),
            samples_per_frame=section.integer("decode_upsample_rate"),
            num_code_groups=decoder.integer("num_quantizers", minimum=2, maximum=MAX_LAYERS),
            codebook_size=decoder.integer("codebook_size"),
            codebook_dim=decoder.integer("codebook_dim"),
            latent_dim=decoder.integer("latent_dim"),
            decoder_dim=decoder.integer("decoder_dim"),
            upsampling_ratios=decoder.integers("upsampling_ratios"),
            upsample_rates=decoder.integers("upsample_rates"),
            transformer=TransformerConfig.read(decoder, window=decoder.integer("sliding_window", maximum=MAX_WINDOW)),
        )
        decoder.expect("num_semantic_quantizers", (1,))
        product = 1
        for factor in config.upsampling_ratios + config.upsample_rates:
            product *= factor
        if product != config.samples_per_frame:
            raise ConfigError(
                f"{section.path}: decode_upsample_rate is {config.samples_per_frame}, "
                f"but the decoder's ratios multiply to {product}"
            )
        if config.codebook_dim % 2 or config.decoder_dim >> len(config.upsample_rates) == 0:
            raise ConfigError(
                f"{decoder.path}: codebook_dim {config.codebook_dim} must be even, and decoder_dim "
                f"{config.decoder_dim}, halved for each of the {len(config.upsample_rates)} upsample_rates, above 0"
            )
        return config


@dataclass(frozen=True)
class TokenIds:
    """Ids with a role in the prompt: text ids, then rows of the talker's code vocabulary."""

    im_start: int
    im_end: int
    tts_pad: int
    tts_bos: int
    tts_eos: int
    codec_pad: int
    codec_bos: int
    codec_eos: int
    codec_think: int
    codec_nothink: int
    codec_think_bos: int
    codec_think_eos: int


@dataclass(frozen=True)
class SamplingConfig:
    """Sampling defaults of generation_config.json. A temperature of 0 means greedy (do_sample false)."""

    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    subtalker_temperature: float
    subtalker_top_k: int
    subtalker_top_p: float
    max_new_tokens: int

    @classmethod
    def read(cls, section: Section) -> SamplingConfig:
        does_sample, does_subtalker_sample = section.flag("do_sample"), section.flag("subtalker_dosample")
        return cls(
            temperature=section.number("temperature") if does_sample else 0.0,
            top_k=section.integer("top_k", minimum=0),
            top_p=section.number("top_p", SMALLEST, 1),
            repetition_penalty=section.number("repetition_penalty", SMALLEST),
            subtalker_temperature=section.number("subtalker_temperature") if does_subtalker_sample else 0.0,
            subtalker_top_k=section.integer("subtalker_top_k", minimum=0),
            subtalker_top_p=section.number("subtalker_top_p", SMALLEST, 1),
            max_new_tokens=section.integer("max_new_tokens"),
        )


@dataclass(frozen=True)
class ModelConfig:
    """Everything that convert, export and the runner need to know about a checkpoint."""

    model_type: str  # one of MODEL_TYPES
    model_size: str  # "0b6", "1b7", or UNKNOWN_SIZE
    talker: TransformerConfig
    code_predictor: TransformerConfig
    codec: CodecConfig
    text_vocab_size: int
    text_hidden_size: int
    talker_vocab_size: int  # rows of the talker's code embedding and head
    code_vocab_size: int  # codes of one group
    num_code_groups: int
    token_ids: TokenIds
    languages: dict[str, int]  # name -> row of the talker's code vocabulary; dialects included
    speakers: dict[str, int]  # name -> row
    speaker_dialects: dict[str, str]  # speaker -> language name, only speakers that have one
    sampling: SamplingConfig
    max_piece_tokens: int | None  # text tokens that one piece of a split text carries well; None: not stated
    max_piece_sentences: int | None  # sentences, the same way

    @property
    def has_projection(self) -> bool:
        """Whether the code predictor is narrower than the talker (small_to_mtp_projection, 1.7B)."""
        return self.code_predictor.hidden_size != self.talker.hidden_size

    @property
    def group_offsets(self) -> tuple[int, ...]:
        """First row of each code group in the stacked code embedding table (talker's rows, then groups 1…)."""
        rest = range(self.num_code_groups - 1)
        return (0, *(self.talker_vocab_size + g * self.code_vocab_size for g in rest))

    @property
    def codec_embedding_rows(self) -> int:
        return self.talker_vocab_size + (self.num_code_groups - 1) * self.code_vocab_size

    @classmethod
    def load(cls, folder: Path) -> ModelConfig:
        """Read a checkpoint folder's two JSON files. Raises ConfigError, or OSError when a file is missing."""
        root = read_json(folder / "config.json", "config", CONVERT_AGAIN)
        generation = read_json(folder / "generation_config.json", "generation_config", CONVERT_AGAIN)
        return cls.read(root, root.section(CODEC_SECTION), generation)

    @classmethod
    def read(cls, root: Section, speech_tokenizer: Section, generation: Section) -> ModelConfig:
        root.expect("tokenizer_type", ("qwen3_tts_tokenizer_12hz",))
        talker = root.section("talker_config")
        predictor = talker.section("code_predictor_config")
        for section in (talker, predictor):
            section.expect("use_sliding_window", (False,))
        dialects = {} if talker["spk_is_dialect"] is None else talker.section("spk_is_dialect").values
        model_type = root.expect("tts_model_type", MODEL_TYPES)
        model_size = root["tts_model_size"] or UNKNOWN_SIZE
        if not isinstance(model_size, str):
            raise ConfigError(f"{root.path}: 'tts_model_size' must be a string, such as \"1b7\", found {model_size!r}")
        if model_size == UNKNOWN_SIZE and model_type == "custom_voice":
            raise ConfigError(f'{root.path}: \'tts_model_size\' is missing; write "0b6" if it takes no style, or "1b7"')
        config = cls(
            model_type=model_type,
            model_size=model_size,
            talker=TransformerConfig.read(talker, window=0),
            code_predictor=TransformerConfig.read(predictor, window=0),
            codec=CodecConfig.read(speech_tokenizer),
            text_vocab_size=talker.integer("text_vocab_size"),
            text_hidden_size=talker.integer("text_hidden_size"),
            talker_vocab_size=talker.integer("vocab_size"),
            code_vocab_size=predictor.integer("vocab_size"),
            num_code_groups=talker.integer("num_code_groups", maximum=MAX_LAYERS),
            token_ids=TokenIds(
                im_start=root.integer("im_start_token_id"),
                im_end=root.integer("im_end_token_id"),
                tts_pad=root.integer("tts_pad_token_id"),
                tts_bos=root.integer("tts_bos_token_id"),
                tts_eos=root.integer("tts_eos_token_id"),
                codec_pad=talker.integer("codec_pad_id"),
                codec_bos=talker.integer("codec_bos_id"),
                codec_eos=talker.integer("codec_eos_token_id"),
                codec_think=talker.integer("codec_think_id"),
                codec_nothink=talker.integer("codec_nothink_id"),
                codec_think_bos=talker.integer("codec_think_bos_id"),
                codec_think_eos=talker.integer("codec_think_eos_id"),
            ),
            languages=dict(talker.section("codec_language_id").values),
            speakers=dict(talker.section("spk_id").values),
            speaker_dialects={name: dialect for name, dialect in dialects.items() if dialect},
            sampling=SamplingConfig.read(generation),
            # Keys of this project's own, which no published checkpoint has.
            max_piece_tokens=root.integer("max_piece_tokens") if "max_piece_tokens" in root.values else None,
            max_piece_sentences=root.integer("max_piece_sentences") if "max_piece_sentences" in root.values else None,
        )
        config._check(root.path)
        return config

    def _check(self, path: str) -> None:
        for name, id_ in vars(self.token_ids).items():
            size = self.talker_vocab_size if name.startswith("codec") else self.text_vocab_size
            if id_ >= size:
                raise ConfigError(f"{path}: token id {id_} of {name} is not below the vocabulary's size {size}")
        for names in (self.languages, self.speakers):
            self._check_rows(names, path)
            if same := find_same_names(names):
                raise ConfigError(
                    f"{path}: '{same[0]}' and '{same[1]}' are one name but for case; rename one, as names are found "
                    "in any case"
                )
        for speaker, dialect in self.speaker_dialects.items():
            if not isinstance(dialect, str) or dialect not in self.languages or speaker not in self.speakers:
                raise ConfigError(f"{path}: speaker '{speaker}' names the unknown dialect {dialect!r}")
        codec = self.codec
        if (codec.num_code_groups, codec.codebook_size) != (self.num_code_groups, self.code_vocab_size):
            raise ConfigError(
                f"{path}: the talker speaks {self.num_code_groups} groups of {self.code_vocab_size} codes, the codec "
                f"reads {codec.num_code_groups} groups of {codec.codebook_size}"
            )
        if self.code_vocab_size > min(self.talker_vocab_size, self.token_ids.codec_eos):
            raise ConfigError(f"{path}: code vocabulary {self.code_vocab_size} reaches into the control rows")

    def _check_rows(self, names: dict[str, int], path: str) -> None:
        for name, row in names.items():
            if not name or not is_integer(row, 0, self.talker_vocab_size - 1):
                raise ConfigError(f"{path}: row {row!r} of '{name}' is not in the code vocabulary, or has no name")
