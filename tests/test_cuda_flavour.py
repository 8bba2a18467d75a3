"""The stages for the GPU, eagerly and in fp32, against those for the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from published_layout import TINY_GROUPS
from qwen3_tts import sampling
from qwen3_tts.contract import MAX_ROWS
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda.convolution import Before, ColumnConv
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.sampling import pick, process_talker_logits
from qwen3_tts.export.cuda.speaking import Modules, Speaker
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.export.stages.codec_decoder import CausalConv, CausalUpsample, HistoryPlan, Snake
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_tokenizer import TextTokenizer

SIZES = ["tiny-customvoice", "tiny-mtp"]  # with a speaker; with a projection in front of the code predictor
TEXT = "The GPU says what the processor says, word for word, and it says it at the same time."
ALMOST_ONE = 1 - 2**-24


@cache
def both(folder: Path) -> tuple[Synthesizer, Speaker]:
    """The CPU's stages and the GPU's, of one checkpoint."""
    checkpoint = Checkpoint(folder)
    stages = load_stages(checkpoint, FLOAT, Flavour(torch.float32, torch.float32), 512)
    speaker = Speaker(checkpoint.config, checkpoint.tokenizer_json, Modules(build_methods(stages)))
    return Synthesizer(Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json)), speaker


@pytest.fixture(params=SIZES)
def flavours(request: pytest.FixtureRequest, tiny_checkpoint: Callable[[str], Path]) -> tuple[Synthesizer, Speaker]:
    return both(tiny_checkpoint(request.param))


@pytest.mark.parametrize("path", ["frames", "frames_by_two_methods"])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_tokens_and_codes_are_equal(flavours: tuple[Synthesizer, Speaker], path: str, temperature: float) -> None:
    """Both ways of speaking; the second utterance of the same methods must not see the first."""
    reference, speaker = flavours
    named = "ryan" if reference.config.speakers else ""
    options = replace(
        reference.config.sampling, temperature=temperature, subtalker_temperature=temperature, max_new_tokens=13
    )
    for text in (TEXT, "Again."):
        request = Request(text, speaker=named)
        expected = reference.synthesize(request, options, seed=3)
        spoken = getattr(speaker, path)(speaker.prompt(request), options, seed=3)
        assert spoken.tokens == expected.talker_tokens
        assert spoken.codes.tolist() == expected.codes.tolist()
        torch.testing.assert_close(speaker.decode(spoken.codes), expected.samples, rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [1, MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1, 2 * MAX_ROWS + 5])
def test_prefill_of_any_length(flavours: tuple[Synthesizer, Speaker], count: int) -> None:
    """Padding is neither stored where a row looks nor seen; a later call goes on at its position."""
    reference, speaker = flavours
    rows = torch.randn(count + 3, reference.config.talker.hidden_size, generator=torch.Generator().manual_seed(count))
    kv = reference.model.talker.empty_kv(512)

    def read(start: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            return reference.model.talker(
                rows[start:end], torch.arange(start, end), None, torch.tensor([end - start - 1]), kv
            )

    for start in range(0, count, 50):
        expected = read(start, min(start + 50, count))
    torch.testing.assert_close(speaker.prefill(rows[:count]), expected, rtol=0, atol=1e-4)
    expected = read(count, len(rows))
    torch.testing.assert_close(speaker.prefill(rows[count:], start=count), expected, rtol=0, atol=1e-4)


def test_codec_forgets_and_wraps_around(flavours: tuple[Synthesizer, Speaker]) -> None:
    """30 frames through a window of 8, twice: position 0 begins anew."""
    reference, speaker = flavours
    codes = torch.randint(0, 256, (30, TINY_GROUPS), generator=torch.Generator().manual_seed(5))
    expected = reference.decode(codes)
    for _ in range(2):
        torch.testing.assert_close(speaker.decode(codes), expected, rtol=0, atol=1e-5)


def convolutions() -> dict[str, CausalConv]:
    plan = HistoryPlan()
    return {
        "plain": CausalConv(plan, 6, 10, kernel=7),
        "dilated": CausalConv(plan, 6, 10, kernel=7, dilation=9),
        "one tap": CausalConv(plan, 6, 10, kernel=1),
        "depthwise": CausalConv(plan, 6, 6, kernel=7, groups=6),
        "upsampling": CausalUpsample(plan, 6, 5, rate=4, kernel=8),
    }


@pytest.mark.parametrize("name", convolutions())
@pytest.mark.parametrize("count", [1, 4, 100])
def test_rewritten_convolution(name: str, count: int) -> None:
    """In three pieces, against the convolution itself with a history of its own."""
    generator = torch.Generator().manual_seed(1)
    conv, snake = convolutions()[name], Snake(6)
    for parameter in (*conv.parameters(), *snake.parameters()):
        parameter.data = torch.randn(parameter.shape, generator=generator)
    history = torch.zeros(conv.offset + conv.in_channels * conv.length)
    rewritten, slot = ColumnConv(conv, 1), torch.tensor([0])
    with torch.no_grad():
        for piece in range(3):
            x = torch.randn(count, 6, generator=generator)
            expected = conv(x, history, snake)
            found = rewritten(x, Before(torch.tensor([piece > 0]), slot), snake)
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def drawn(logits: np.ndarray, temperature: float, top_k: int, top_p: float, uniform: float) -> int:
    settings = (torch.tensor([[float(value)]]) for value in (temperature, top_k, top_p, uniform))
    return int(pick(torch.from_numpy(logits)[None], *settings))


def test_pick_follows_the_definition() -> None:
    """Random logits: plain, with ties, with banned ids. fp32 may differ where a number meets the edge of a share."""
    generator = np.random.default_rng(1)
    different = 0
    for case in range(1500):
        size = int(generator.choice([1, 2, 5, 50, 51, 300, 1000]))
        logits = generator.normal(0, generator.choice([0.1, 3, 40]), size).astype(np.float32)
        if case % 3 == 1:
            logits = np.round(logits)
        if case % 4 == 1:
            logits[generator.random(size) < 0.5] = -np.inf
            logits[generator.integers(size)] = 0
        temperature = float(generator.choice([0, 0.3, 0.9, 1, 1.7, 1e-42]))
        top_k, top_p = int(generator.choice([0, 1, 2, 50, 5000])), float(generator.choice([0.013, 0.507, 0.9007, 1]))
        settings = (temperature, top_k, top_p, float(generator.integers(1, 2**24) * 2**-24))
        different += drawn(logits, *settings) != sampling.pick(logits, *settings)
    assert different <= 1


@pytest.mark.parametrize("number", [0, ALMOST_ONE])
def test_pick_at_both_ends(number: float) -> None:
    logits = np.array([-np.inf, 1, 2, 1, -np.inf], dtype=np.float32)
    assert drawn(logits, 1, 0, 1.0, number) == (1 if number == 0 else 3)


def test_pick_keeps_ties_and_one() -> None:
    logits = np.array([1, 2, 0, 1, 3], dtype=np.float32)
    steps = [step / 64 for step in range(64)]
    assert {drawn(logits, 1, 3, 1.0, step) for step in steps} == {0, 1, 3, 4}
    same = np.full(8, 5, dtype=np.float32)
    assert {drawn(same, 1, 0, 0.5, step) for step in steps} == {4, 5, 6, 7}
    assert {drawn(same, 1, 0, 1e-6, step) for step in steps} == {7}


@pytest.mark.parametrize("logits", [[-np.inf, -np.inf], [1, np.nan], [1, np.inf]])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_broken_logits_are_told(logits: list[float], temperature: float) -> None:
    assert drawn(np.array(logits, dtype=np.float32), temperature, 0, 1.0, 0.5) == sampling.NOTHING_TO_DRAW


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_talker_logits_are_processed_alike(count: int) -> None:
    generator = np.random.default_rng(count)
    logits = generator.normal(0, 5, 3072).astype(np.float32)
    generated = generator.integers(0, 200, count).tolist()
    rows = {"code_vocab_size": 2048, "eos_id": 2150}
    expected = sampling.process_talker_logits(
        logits, generated=generated, repetition_penalty=1.05, min_new_tokens=2, **rows
    )
    seen = torch.zeros(1, 3072)
    seen[:, generated] = 1
    may_end, penalty = torch.tensor([[float(count >= 2)]]), torch.tensor([[1.05]])
    found = process_talker_logits(torch.from_numpy(logits)[None], seen, may_end, penalty, **rows)
    np.testing.assert_array_equal(found[0].numpy(), expected)


@torch.no_grad()
def test_methods_run_where_their_modules_are(tiny_checkpoint: Callable[[str], Path]) -> None:
    """On the device without values, which refuses tensors of another one as a GPU does."""
    pytest.importorskip("triton")  # made for Linux; the backend's attention needs it
    stages = load_stages(Checkpoint(tiny_checkpoint("tiny-customvoice")), FLOAT, Flavour(torch.bfloat16), 512)
    methods = Modules(build_methods(stages), "meta")
    for method in build_methods(stages):
        outputs = methods(method.name, *method.example_inputs)
        assert {output.device.type for output in outputs} == {"meta"}
