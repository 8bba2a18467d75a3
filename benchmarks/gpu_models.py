"""Models with random weights for measurements on a GPU: made on the modules, so no checkpoint is written or read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from zlib import crc32

import torch
from torch import Tensor, nn

import published_layout as layout
from qwen3_tts.config import ModelConfig, TransformerConfig
from qwen3_tts.config_file import Section
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.checkpoint import Checkpoint, Stage
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.codec_decoder import CodecDecoder
from qwen3_tts.export.stages.talker import Talker

_LAST_GAIN = 0.002  # of the codec: its residuals add up, and samples are cut off at 1
# Any ids that differ: no text is read. The rows of text are as few as a call takes, as no measured method has more.
_TEXT_IDS = {
    f"{name}_token_id": number
    for number, name in enumerate(("assistant", "im_end", "im_start", "tts_bos", "tts_eos", "tts_pad"))
}


class RandomCheckpoint(Checkpoint):
    """What a Checkpoint of `size` (published_layout.SIZES) has but its tokenizer; with `groups` and `layers` as many
    code groups, and layers of talker and code predictor, at the most.

    The weights depend on their names and shapes alone: two processes have the same. Products keep the size of what
    they multiply, as trained ones do about.
    """

    def __init__(self, size: str, groups: int | None = None, layers: int | None = None):
        codec = layout.tiny_codec_config() if layout.is_tiny(size) else layout.codec_config()
        root = layout.root_config(size, _TEXT_IDS, MAX_ROWS)
        config = ModelConfig.read(
            Section(root, size), Section(codec, "codec"), Section(layout.GENERATION_CONFIG, "generation_config")
        )
        count = min(config.num_code_groups, groups or config.num_code_groups)
        self.config = replace(
            config,
            num_code_groups=count,
            codec=replace(config.codec, num_code_groups=count),
            talker=_cut(config.talker, layers),
            code_predictor=_cut(config.code_predictor, layers),
        )

    def talker(self) -> Talker:
        return _random(lambda: Talker(self.config), "talker")

    def code_predictor(self) -> CodePredictor:
        return _random(lambda: CodePredictor(self.config), "code_predictor")

    def codec_decoder(self) -> CodecDecoder:
        return _random(lambda: CodecDecoder(self.config.codec), "codec")

    def codec_embedding(self) -> nn.Embedding:
        rows, width = self.config.codec_embedding_rows, self.config.talker.hidden_size
        return _random(lambda: nn.Embedding(rows, width), "codec_embedding")

    def text_embedding(self) -> nn.Embedding:
        rows, width = self.config.text_vocab_size, self.config.talker.hidden_size
        return _random(lambda: nn.Embedding(rows, width), "text_embedding")


def _cut(config: TransformerConfig, layers: int | None) -> TransformerConfig:
    return replace(config, num_layers=min(config.num_layers, layers or config.num_layers))


def _random(make: Callable[[], Stage], name: str) -> Stage:
    with torch.device("meta"):
        module = make()
    values = {key: _values(f"{name}.{key}", tuple(tensor.shape)) for key, tensor in module.state_dict().items()}
    module.load_state_dict(values, strict=True, assign=True)
    return module.eval().requires_grad_(False)


def _values(name: str, shape: tuple[int, ...]) -> Tensor:
    """Vectors are 0 (biases) or 1 (norms), as are the two rows of a Snake; matrices and kernels are random."""
    if name.endswith("bias"):
        return torch.zeros(shape)
    if len(shape) == 1 or "snake" in name:
        return torch.ones(shape)
    values = torch.empty(shape)
    gain = _LAST_GAIN if name.startswith("codec.conv_out") else 1.0
    spread = gain * (3 / values[0].numel()) ** 0.5
    return values.uniform_(-spread, spread, generator=torch.Generator().manual_seed(crc32(name.encode())))
