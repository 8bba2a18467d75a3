"""How far a compiled CUDA program is from the same modules run eagerly, on the same device with the same weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import gpu_timing
from qwen3_tts.config import ModelConfig, SamplingConfig
from qwen3_tts.export.cuda.speaking import Call, Speaker
from qwen3_tts.export.prompt import Prompt

LEAST_COSINE = 0.998
LEAST_TOP5_OVERLAP = 4
LARGEST_SAMPLE_ERROR = 1e-3  # the codec is fp32 in both
CODEC_FRAMES = 16
CALLS = 4


def method_parity(compiled: Call, eager: Call, name: str, config: ModelConfig, batch: int = 1) -> dict[str, Any]:
    """Of one method with state, over some calls from position 0 on: the smallest cosine of its rows, the largest error
    of its samples, how many codes are equal; under "failed", what is beyond its limit. Codes are told, not judged."""
    cosine, error, equal = 1.0, 0.0, []
    for number in range(CALLS):
        inputs = gpu_timing.example_inputs(config, "cpu", number, batch)[name]
        answers = ([tensor.cpu() for tensor in call(name, *inputs)] for call in (compiled, eager))
        for found, expected in zip(*answers):
            if name.startswith("decode"):
                error = max(error, float((found - expected).abs().max()))
            elif not expected.is_floating_point():  # codes
                equal.append(float((found == expected).float().mean()))
            else:
                cosine = min(cosine, float(F.cosine_similarity(found, expected).min()))
    figures = {"cosine": cosine, "sample_error": error, "equal_codes": sum(equal) / len(equal) if equal else None}
    # After a code that differs, so may everything.
    limits = {"cosine": cosine >= LEAST_COSINE or bool(equal), "sample_error": error <= LARGEST_SAMPLE_ERROR}
    return figures | {"failed": [name for name, holds in limits.items() if not holds]}


def parity(compiled: Speaker, eager: Speaker, prompt: Prompt, options: SamplingConfig, frames: int) -> dict[str, Any]:
    """Figures and, under "failed", what is beyond its limit. One kernel's rounding may change a code and all that
    follow, so how many greedy codes agree is told, not judged."""
    first, second = (speaker.prefill(prompt.rows) for speaker in (compiled, eager))
    figures = _prefill(*(tuple(tensor.float().cpu() for tensor in answer) for answer in (first, second)))
    figures["equal_greedy_codes"] = _agreement(compiled, eager, prompt, options, frames)
    figures["sample_error"] = _sample_error(compiled, eager)
    limits = {
        "prefill_cosine": figures["prefill_cosine"] >= LEAST_COSINE,
        "same_argmax": figures["same_argmax"],
        "top5_overlap": figures["top5_overlap"] >= LEAST_TOP5_OVERLAP,
        "sample_error": figures["sample_error"] <= LARGEST_SAMPLE_ERROR,
    }
    return figures | {"failed": [name for name, holds in limits.items() if not holds]}


def _prefill(compiled: tuple[Tensor, ...], eager: tuple[Tensor, ...]) -> dict[str, Any]:
    (logits, hidden), (expected_logits, expected_hidden) = compiled, eager
    five, expected_five = (set(values[0].topk(5).indices.tolist()) for values in (logits, expected_logits))
    return {
        "prefill_cosine": float(F.cosine_similarity(hidden, expected_hidden)),
        "logits_cosine": float(F.cosine_similarity(logits, expected_logits)),
        "same_argmax": bool(logits.argmax() == expected_logits.argmax()),
        "top5_overlap": len(five & expected_five),
    }


def _agreement(compiled: Speaker, eager: Speaker, prompt: Prompt, options: SamplingConfig, frames: int) -> float:
    greedy = replace(options, temperature=0.0, subtalker_temperature=0.0, max_new_tokens=frames + 1)
    codes, expected = (speaker.frames(prompt, greedy, seed=0).codes for speaker in (compiled, eager))
    count = min(len(codes), len(expected))
    return float((codes[:count] == expected[:count]).float().mean()) if count else 0.0


def _sample_error(compiled: Speaker, eager: Speaker) -> float:
    config = compiled.config
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, config.code_vocab_size, (CODEC_FRAMES, config.num_code_groups), generator=generator)
    return float((compiled.decode(codes) - eager.decode(codes)).abs().max())
