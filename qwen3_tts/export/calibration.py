"""What the inputs of a model's linear layers are while it speaks: --calibrate rounds their weights by that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.flags import PROMPT_ROWS
from qwen3_tts.export.lowering import Report
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.quantize.rounding import InputMoments
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.export.stages.linear import Linear
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_tokenizer import TextTokenizer

STAGES = ("talker", "code_predictor")
FRAMES = 100  # of a text, at most: 8 s of speech
FIRST_SEED = 1000


def collect(checkpoint: Checkpoint, texts: Sequence[str], report: Report) -> dict[str, dict[str, InputMoments]]:
    """Lets the fp32 model say the texts, with the checkpoint's sampling and its speakers in turn.

    Moments of each linear layer of each stage of STAGES, by stage and by name.
    """
    model = Model(checkpoint, FLOAT)
    tokenizer = TextTokenizer(checkpoint.tokenizer_json)
    longest = max(len(tokenizer.encode(text)) for text in texts)
    synthesizer = Synthesizer(model, tokenizer, max_seq_len=FRAMES + PROMPT_ROWS + longest)
    options = replace(checkpoint.config.sampling, max_new_tokens=FRAMES + 1)
    speakers = list(checkpoint.config.speakers) or [""]
    moments: dict[str, dict[str, InputMoments]] = defaultdict(dict)
    for stage in STAGES:
        for name, layer in getattr(model, stage).named_modules():
            if isinstance(layer, Linear):
                moments[stage][name] = InputMoments(layer.in_features)
                layer.register_forward_pre_hook(adds_to(moments[stage][name]), with_kwargs=True)
    for i, text in enumerate(texts):
        report(f"text {i + 1} of {len(texts)}", "calibrate")
        synthesizer.codes(Request(text, "auto", speakers[i % len(speakers)]), options, FIRST_SEED + i)
    return moments


def adds_to(moments: InputMoments) -> Callable[[nn.Module, tuple[Tensor, ...], dict[str, Any]], None]:
    def add(_: nn.Module, inputs: tuple[Tensor, ...], named: dict[str, Any]) -> None:
        rows, norm = inputs[0], named.get("norm")
        moments.add(torch.flatten(rows if norm is None else norm(rows), 0, -2))

    return add
