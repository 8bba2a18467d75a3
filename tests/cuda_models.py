"""A tiny checkpoint with few code groups: unrolled over sixteen, a frame takes minutes to lower and compile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.codec_decoder import CodecDecoder

GROUPS = 3


class FewGroups(Checkpoint):
    """The first GROUPS code groups of a checkpoint; everything else is what it is."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.whole = Checkpoint(folder)
        codec = replace(self.config.codec, num_code_groups=GROUPS)
        self.config = replace(self.config, num_code_groups=GROUPS, codec=codec)

    def code_predictor(self) -> CodePredictor:
        predictor = self.whole.code_predictor()
        predictor.heads = predictor.heads[: GROUPS - 1]
        return predictor

    def codec_embedding(self) -> nn.Embedding:
        rows = self.whole.codec_embedding().weight[: self.config.codec_embedding_rows]
        return nn.Embedding.from_pretrained(rows.clone(), freeze=True)

    def codec_decoder(self) -> CodecDecoder:
        codec = self.whole.codec_decoder()
        codes = GROUPS * self.config.codec.codebook_size
        codec.codebooks = nn.Embedding.from_pretrained(codec.codebooks.weight[:codes].clone(), freeze=True)
        codec.group_offsets = codec.group_offsets[:GROUPS]
        return codec
