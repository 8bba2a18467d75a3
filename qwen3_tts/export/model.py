"""The stages put together for a CPU: the modules of a checkpoint, and which methods they make (methods.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn
from torch.export import Dim

from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_BATCH, MAX_ROWS, MAX_SLOTS
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.methods import Method
from qwen3_tts.export.quantize.codec import quantize_codec
from qwen3_tts.export.quantize.embedding import quantize_embedding
from qwen3_tts.export.quantize.linears import NO_MOMENTS, Moments, quantize_stage
from qwen3_tts.export.quantize.xnnpack_linear import XnnpackLinear
from qwen3_tts.export.stages.code_predictor import CodePredictorHeads, CodePredictorStep, FusedCodePredictor
from qwen3_tts.export.stages.kept_rows import KeptRows
from qwen3_tts.export.stages.packed_codec import pack_codec
from qwen3_tts.recipe import KV_CACHE_DTYPES, Recipe

MAX_DECODE_FRAMES = 4  # what streaming needs; 16 plan 35 MB more and gain 3 %, a true maximum of 300 frames 1.25 GB


class Model:
    """The modules of a checkpoint, quantized by a recipe, shared by all methods."""

    max_rows = MAX_ROWS  # that one call of a method takes
    max_decode_frames = MAX_DECODE_FRAMES

    def __init__(
        self,
        checkpoint: Checkpoint,
        recipe: Recipe,
        pruned_ids: Collection[int] = (),
        moments: Mapping[str, Moments] | None = None,
    ):
        """`pruned_ids`: text ids that get no row (text_scripts.py); asked for one, encode_text fails.

        `moments`: by stage, what the inputs of linear layers are, which are rounded by that (calibration.py).
        """
        self.config: ModelConfig = checkpoint.config
        self.text_embedding: nn.Module = checkpoint.text_embedding()
        if pruned_ids:
            self.text_embedding = KeptRows(self.text_embedding, pruned_ids)
        self.codec_embedding = checkpoint.codec_embedding()
        self.talker = checkpoint.talker()
        self.code_predictor = checkpoint.code_predictor()
        self.codec_decoder = checkpoint.codec_decoder()
        self._quantize(recipe, moments or {})

    def _quantize(self, recipe: Recipe, moments: Mapping[str, Moments]) -> None:
        size = recipe.group_size
        of_talker, of_predictor = moments.get("talker", NO_MOMENTS), moments.get("code_predictor", NO_MOMENTS)
        quantize_embedding(self.text_embedding, recipe.text_embedding, size)
        quantize_embedding(self.codec_embedding, recipe.codec_embedding, size)
        quantize_stage(self.talker, recipe.talker, size, "layers", of_talker)
        quantize_stage(self.talker, recipe.heads, size, "head", of_talker)
        quantize_stage(self.code_predictor, recipe.code_predictor, size, "projection", of_predictor)
        quantize_stage(self.code_predictor, recipe.code_predictor, size, "layers", of_predictor)
        quantize_stage(self.code_predictor, recipe.heads, size, "heads", of_predictor)
        quantize_stage(self.codec_decoder, recipe.codec, size)
        self.talker.kv_dtype = getattr(torch, KV_CACHE_DTYPES[recipe.kv_cache])
        if recipe.codec_convolutions == "int8":
            quantize_codec(self.codec_decoder, with_linears=recipe.codec == "none")
        pack_codec(self.codec_decoder)

    def frame_bytes(self) -> dict[str, int]:
        """Bytes of weights that one frame reads, stage by stage, each as often as it is read.

        The code predictor's layers run once for every code but the first, and each of its heads for one of them.
        """
        heads = weight_bytes(self.code_predictor.heads)
        layers = weight_bytes(self.code_predictor) - heads
        return {
            "talker": weight_bytes(self.talker),
            "code_predictor": (self.config.num_code_groups - 1) * layers + heads,
            "codec": weight_bytes(self.codec_decoder),
        }

    def methods(self, max_seq_len: int) -> list[Method]:
        """The methods in the order of the data flow. `max_seq_len`: positions of the talker's cache."""
        config = self.config
        hidden = config.talker.hidden_size
        rows = Dim("rows", min=1, max=self.max_rows)
        batch = Dim("batch", min=1, max=MAX_BATCH)
        outputs = Dim("outputs", min=1, max=MAX_BATCH)
        frames = Dim("frames", min=1, max=self.max_decode_frames)
        talker_kv = self.talker.empty_kv(max_seq_len, num_slots=3)
        predictor_kv = self.code_predictor.empty_kv(config.num_code_groups, num_slots=MAX_BATCH)
        codec = self.codec_decoder
        return [
            Method("encode_text", self.text_embedding, (torch.arange(4),), {0: {0: rows}}),
            Method("codec_embed", self.codec_embedding, (torch.arange(4),), {0: {0: rows}}),
            Method(
                "talker",
                self.talker,
                (
                    torch.randn(5, hidden),
                    torch.arange(5),
                    torch.zeros(5, dtype=torch.int64),
                    torch.arange(2),
                    talker_kv,
                ),
                {0: {0: rows}, 1: {0: rows}, 2: {0: rows}, 3: {0: outputs}, 4: {0: Dim("slots", min=1, max=MAX_SLOTS)}},
            ),
            Method(
                "cp_generate",
                FusedCodePredictor(self.code_predictor, self.codec_embedding, config),
                (
                    torch.randn(3, hidden),
                    torch.zeros(3, dtype=torch.int64),
                    torch.rand(3, config.num_code_groups - 1),
                    torch.tensor([[0.9, 50.0, 1.0]] * 3),
                    torch.arange(3),
                    predictor_kv,
                ),
                {i: {0: batch} for i in range(5)},
            ),
            Method(
                "code_predictor",
                CodePredictorStep(self.code_predictor),
                (
                    torch.randn(5, hidden),
                    torch.arange(5),
                    torch.zeros(5, dtype=torch.int64),
                    torch.arange(2),
                    predictor_kv,
                ),
                {**{i: {0: Dim("rows", min=1, max=2 * MAX_BATCH)} for i in range(3)}, 3: {0: outputs}},
            ),
            Method(
                "cp_head",
                CodePredictorHeads(self.code_predictor),
                (torch.randn(3, config.code_predictor.hidden_size),),
                {0: {0: batch}},
            ),
            Method(
                "decode_audio",
                codec,
                (
                    torch.zeros(3, config.num_code_groups, dtype=torch.int64),
                    torch.arange(3),
                    torch.zeros(codec.history_size),
                    codec.empty_kv(self.max_decode_frames),
                ),
                {0: {0: frames}, 1: {0: frames}},
            ),
        ]


def weight_bytes(stage: nn.Module) -> int:
    """Of all its weights, as they are stored."""
    return sum(tensor.nbytes for module in stage.modules() for tensor in _stored_tensors(module))


def _stored_tensors(module: nn.Module) -> list[Tensor]:
    """A module's own, without those of its parts."""
    if isinstance(module, XnnpackLinear):
        return [*module.stored().values(), *module.parameters()]
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]
