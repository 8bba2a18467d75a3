"""Loads a checkpoint folder into the stages. Strict: a tensor that is missing, left over or misshaped is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from qwen3_tts.config import DEFAULTS_RECORD, UNFINISHED, ModelConfig
from qwen3_tts.config_file import read_object
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.codec_decoder import CodecDecoder
from qwen3_tts.export.stages.codec_encoder import CLUSTER_USAGE_FLOOR, CodecEncoder
from qwen3_tts.export.stages.speaker_encoder import SpeakerEncoder
from qwen3_tts.export.stages.talker import Talker
from qwen3_tts.text_tokenizer import check_vocab_size, read_tokenizer_json
from qwen3_tts.voice_config import VoiceEncoderConfig

FOLD_ROWS = 4096
DTYPES = ("F32", "F16", "BF16")  # that a conversion writes
CONVERT_AGAIN = "it is damaged: make the folder again with convert_weights.py"
Stage = TypeVar("Stage", bound=nn.Module)


class CheckpointError(ValueError):
    """The checkpoint folder does not hold what its configuration promises."""


def _read(path: Path, prefix: str) -> dict[str, Tensor]:
    """The tensors below `prefix` in a safetensors file, in fp32, without the prefix."""
    if not path.is_file():
        raise CheckpointError(f"{path}: missing; make the folder with convert_weights.py")
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict: no iteration)
            for name in names:
                if (dtype := file.get_slice(name).get_dtype()) not in DTYPES:
                    raise CheckpointError(f"{path}: tensor '{name}' is {dtype}; {CONVERT_AGAIN}")
            tensors = {name: file.get_tensor(name).float() for name in names}
    except SafetensorError as error:
        raise CheckpointError(f"{path}: not a complete safetensors file ({error}); {CONVERT_AGAIN}") from error
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise CheckpointError(f"{path}: tensor '{name}' holds NaN or infinite values; {CONVERT_AGAIN}")
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _load(
    make: Callable[[], Stage],
    path: Path,
    prefix: str,
    prepare: Callable[[dict[str, Tensor], nn.Module], dict[str, Tensor]] = lambda tensors, _: tensors,
) -> Stage:
    """The module that `make` builds, with the tensors below `prefix`, prepared, as its parameters, in fp32."""
    with torch.device("meta"):
        module = make()
    tensors = prepare(_read(path, prefix), module)
    try:
        module.load_state_dict(tensors, strict=True, assign=True)
    except RuntimeError as error:
        raise CheckpointError(f"{path}: does not match config.json: {error}") from error
    return module.eval().requires_grad_(False)


def _fit_kernels(tensors: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Convolution weights as the modules have them: [out, in, k] in two dimensions, or of kernel 1 as a matrix."""
    fitted = dict(tensors)
    for name, parameter in module.named_parameters():
        tensor = tensors.get(name)
        if tensor is not None and _without_ones(tensor.shape) == _without_ones(parameter.shape):
            fitted[name] = tensor.reshape(parameter.shape)
    return fitted


def _without_ones(shape: Iterable[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _prepare_speaker_encoder(tensors: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Also cuts the pooling's projection in two: what reads rows, and what reads their mean and deviation."""
    prepared = dict(tensors)
    weight, bias = (prepared.pop(f"asp.tdnn.conv.{name}", None) for name in ("weight", "bias"))
    if weight is not None and bias is not None and weight.dim() > 1:
        channels = weight.shape[1] // 3
        prepared["asp.rows_proj.weight"], prepared["asp.rows_proj.bias"] = weight[:, :channels], bias
        prepared["asp.statistics_proj.weight"] = weight[:, channels:]
    return _fit_kernels(prepared, module)


def _prepare_codec_encoder(tensors: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Also turns each codebook's running sums into centroids and the offsets of their scores."""
    prepared = _fit_kernels(tensors, module)
    for name in tensors:
        if name.endswith(".embed_sum"):
            codebook = name.removesuffix("embed_sum")
            usage, sums = prepared.pop(f"{codebook}cluster_usage", None), prepared.pop(name)
            if usage is None:
                raise CheckpointError(f"{codebook}cluster_usage: missing; convert the checkpoint again")
            if sums.dim() != 2 or usage.shape != sums.shape[:1]:
                raise CheckpointError(
                    f"{name} has shape {list(sums.shape)}, and {codebook}cluster_usage "
                    f"{list(usage.shape)}; convert the checkpoint again"
                )
            centroids = sums / usage.clamp(min=CLUSTER_USAGE_FLOOR)[:, None]
            prepared[f"{codebook}centroids"] = centroids
            prepared[f"{codebook}offsets"] = -centroids.pow(2).sum(1) / 2
    return prepared


class _TextEmbedding(nn.Module):
    """Text rows [text vocabulary, text hidden size], and the layers that make rows of the talker's width of them."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        size = config.text_hidden_size
        self.embedding = nn.Embedding(config.text_vocab_size, size)
        self.fc1, self.fc2 = nn.Linear(size, size), nn.Linear(size, config.talker.hidden_size)


class Checkpoint:
    """The stages of a checkpoint folder, each loaded when it is first asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        if (folder / UNFINISHED).exists():
            raise CheckpointError(f"{folder}: its conversion was interrupted; call convert_weights.py again")
        if not (folder / "config.json").is_file():
            raise CheckpointError(f"{folder}: holds no config.json; make the folder with convert_weights.py")
        self.config = ModelConfig.load(folder)

    @property
    def reference_defaults(self) -> dict[str, dict[str, Any]]:
        """What the conversion took of the reference for keys that the snapshot left out: file -> key -> value."""
        path = self.folder / "config.json"
        taken = read_object(path).get(DEFAULTS_RECORD, {})
        if not isinstance(taken, dict) or not all(isinstance(values, dict) for values in taken.values()):
            raise CheckpointError(f"{path}: '{DEFAULTS_RECORD}' must be an object with objects; {CONVERT_AGAIN}")
        return taken

    @property
    def tokenizer_json(self) -> str:
        """The text of the tokenizer, checked. Raises OSError or ValueError."""
        tokenizer_json = read_tokenizer_json(self.folder / "tokenizer.json")
        check_vocab_size(tokenizer_json, self.config.text_vocab_size)
        return tokenizer_json

    def talker(self) -> Talker:
        return _load(lambda: Talker(self.config), self.folder / "model.safetensors", "talker.")

    def code_predictor(self) -> CodePredictor:
        return _load(lambda: CodePredictor(self.config), self.folder / "model.safetensors", "code_predictor.")

    def codec_decoder(self) -> CodecDecoder:
        return _load(lambda: CodecDecoder(self.config.codec), self.folder / "codec_decoder.safetensors", "")

    def voice_encoder_config(self) -> VoiceEncoderConfig:
        """Raises ConfigError unless this is a Base checkpoint."""
        return VoiceEncoderConfig.load(self.folder)

    def speaker_encoder(self) -> SpeakerEncoder:
        config, path = self.voice_encoder_config().speaker_encoder, self.folder / "voice_encoder.safetensors"
        return _load(lambda: SpeakerEncoder(config), path, "speaker_encoder.", _prepare_speaker_encoder)

    def codec_encoder(self) -> CodecEncoder:
        config, path = self.voice_encoder_config().codec_encoder, self.folder / "voice_encoder.safetensors"
        return _load(lambda: CodecEncoder(config), path, "codec_encoder.", _prepare_codec_encoder)

    def codec_embedding(self) -> nn.Embedding:
        rows, width = self.config.codec_embedding_rows, self.config.talker.hidden_size
        return _load(lambda: nn.Embedding(rows, width), self.folder / "model.safetensors", "codec_embedding.")

    def text_embedding(self) -> nn.Embedding:
        """Text rows [text vocabulary, H] with the text projection folded in: fc2(silu(fc1(row))) per id.

        The projection depends on the id alone, so it is paid once here and never while speaking.
        """
        text = _load(lambda: _TextEmbedding(self.config), self.folder / "model.safetensors", "text_embedding.")
        source = text.embedding.weight
        folded = torch.empty(source.shape[0], self.config.talker.hidden_size)
        for start in range(0, source.shape[0], FOLD_ROWS):
            hidden = text.fc1(source[start : start + FOLD_ROWS])
            folded[start : start + FOLD_ROWS] = text.fc2(nn.functional.silu(hidden))
        return nn.Embedding.from_pretrained(folded, freeze=True)
