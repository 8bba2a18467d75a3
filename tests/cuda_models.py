"""A tiny checkpoint with few code groups and layers: unrolled over all, a frame takes minutes to lower and compile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.codec_decoder import CodecDecoder, DecoderBlock
from qwen3_tts.export.stages.talker import Talker

GROUPS = 3
LAYERS = (2, 1, 1)  # of talker, code predictor and codec


class SmallerCheckpoint(Checkpoint):
    """The first code groups of a checkpoint and the first layers of talker, code predictor and codec; None: all.

    With fewer layers each block of the codec has one residual unit, and the next block one of another dilation.
    """

    def __init__(self, folder: Path, groups: int = GROUPS, layers: tuple[int, int, int] | None = LAYERS):
        super().__init__(folder)
        self.whole = Checkpoint(folder)
        self._has_all_units = layers is None
        config = self.config
        talker, predictor, transformer = config.talker, config.code_predictor, config.codec.transformer
        of_talker, of_predictor, of_codec = layers or (
            talker.num_layers,
            predictor.num_layers,
            transformer.num_layers,
        )
        transformer = replace(transformer, num_layers=of_codec)
        self.config = replace(
            config,
            num_code_groups=groups,
            codec=replace(config.codec, num_code_groups=groups, transformer=transformer),
            talker=replace(talker, num_layers=of_talker),
            code_predictor=replace(predictor, num_layers=of_predictor),
        )

    def talker(self) -> Talker:
        talker = self.whole.talker()
        talker.layers = talker.layers[: self.config.talker.num_layers]
        return talker

    def code_predictor(self) -> CodePredictor:
        predictor = self.whole.code_predictor()
        predictor.heads = predictor.heads[: self.config.num_code_groups - 1]
        predictor.layers = predictor.layers[: self.config.code_predictor.num_layers]
        return predictor

    def codec_embedding(self) -> nn.Embedding:
        rows = self.whole.codec_embedding().weight[: self.config.codec_embedding_rows]
        return nn.Embedding.from_pretrained(rows.clone(), freeze=True)

    def codec_decoder(self) -> CodecDecoder:
        codec = self.whole.codec_decoder()
        codes = self.config.num_code_groups * self.config.codec.codebook_size
        codec.codebooks = nn.Embedding.from_pretrained(codec.codebooks.weight[:codes].clone(), freeze=True)
        codec.group_offsets = codec.group_offsets[: self.config.num_code_groups]
        codec.transformer.layers = codec.transformer.layers[: self.config.codec.transformer.num_layers]
        if not self._has_all_units:
            for number, block in enumerate(codec.blocks):
                assert isinstance(block, DecoderBlock)
                block.units = block.units[number % len(block.units) :][:1]
        return codec
