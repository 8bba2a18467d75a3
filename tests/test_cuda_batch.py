"""Several utterances in one program for a GPU, eagerly and in fp32: each says what it says alone.

With plain layers, and with the definitions of the project's own kernels (kernels=True)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import zip_longest
from pathlib import Path

import pytest
import torch
from torch import Tensor

from cuda_models import SmallerCheckpoint
from qwen3_tts.export.cuda.batch_speaking import Arrival, speak_together
from qwen3_tts.export.cuda.frame_input import idle
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules, Speaker, Speech
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.prompt import Request
from qwen3_tts.recipe import FLOAT
from qwen3_tts.sampling import NOTHING_TO_DRAW

BATCH = 3
MAX_SEQ_LEN = 256
TEXTS = (
    "One.",
    "Two, which is longer than the first one.",
    "Three",
    "Four waits until somebody leaves.",
    "Five, last.",
)
with_triton = pytest.mark.skipif(sys.platform != "linux", reason="triton is made for Linux")
FRAMES = (6, 3, 4, 3, 1)
ARRIVALS = (0, 0, 2, 3, 6)


@cache
def speaker_of(folder: Path, batch: int, *, kernels: bool = False) -> Speaker:
    checkpoint = SmallerCheckpoint(folder)
    stages = load_stages(checkpoint, FLOAT, Flavour(torch.float32, torch.float32, kernels), MAX_SEQ_LEN, batch)
    return Speaker(checkpoint.config, checkpoint.tokenizer_json, Modules(build_methods(stages)), batch)


@pytest.fixture
def folder(tiny_checkpoint: Callable[[str], Path]) -> Path:
    return tiny_checkpoint("tiny-customvoice")


@pytest.fixture
def speaker(folder: Path, request: pytest.FixtureRequest) -> Speaker:
    return speaker_of(folder, BATCH, kernels=getattr(request, "param", False))


both_ways = pytest.mark.parametrize("speaker", [False, pytest.param(True, marks=with_triton)], indirect=True)


def arrivals_at(speaker: Speaker, temperature: float) -> list[Arrival]:
    """Of five utterances with three slots."""
    named = "ryan" if speaker.config.speakers else ""
    sampling = replace(
        speaker.config.sampling,
        temperature=temperature,
        subtalker_temperature=temperature,
        repetition_penalty=1.3,
    )
    return [
        Arrival(speaker.prompt(Request(text, speaker=named)), replace(sampling, max_new_tokens=frames + 1), number, at)
        for number, (text, frames, at) in enumerate(zip(TEXTS, FRAMES, ARRIVALS))
    ]


def alone(speaker: Speaker, arrival: Arrival, slot: int = 0) -> Speech:
    return speaker.frames(arrival.prompt, arrival.options, arrival.seed, slot)


def expect_equal(spoken: Speech | None, expected: Speech) -> None:
    assert spoken is not None
    assert spoken.tokens == expected.tokens
    assert spoken.codes.tolist() == expected.codes.tolist()


@pytest.mark.parametrize(
    ("size", "temperature", "kernels"),
    [("tiny-customvoice", 0.0, False), pytest.param("tiny-mtp", 0.9, True, marks=with_triton)],
)
def test_each_says_what_it_says_alone(
    tiny_checkpoint: Callable[[str], Path], size: str, temperature: float, kernels: bool
) -> None:
    """Joining and leaving at different frames; alone in any slot, and in a program that has one."""
    speaker, only = (speaker_of(tiny_checkpoint(size), batch, kernels=kernels) for batch in (BATCH, 1))
    arrivals = arrivals_at(speaker, temperature)
    for number, (spoken, arrival) in enumerate(zip(speak_together(speaker, arrivals), arrivals)):
        expected = alone(only, arrival)
        expect_equal(spoken, expected)
        if number == 1:
            expect_equal(alone(speaker, arrival, slot=2), expected)
        assert len(expected.codes) == FRAMES[number]


def test_by_two_methods_in_any_slot(speaker: Speaker) -> None:
    for slot, arrival in enumerate(arrivals_at(speaker, 0.9)[1:BATCH]):
        given = (arrival.prompt, arrival.options, arrival.seed, slot)
        expect_equal(speaker.frames_by_two_methods(*given), speaker.frames(*given))


def test_an_utterance_may_pause(speaker: Speaker) -> None:
    """It is not in every call; in some of them nobody else is, or somebody begins."""
    first, second = arrivals_at(speaker, 0.9)[:2]
    expected = alone(speaker, first).tokens
    begun, _ = speaker.begin(first.prompt, first.options, first.seed, slot=2)
    other, _ = speaker.begin(second.prompt, second.options, second.seed, slot=0)
    for together in ([begun], [other], [begun, other], [other], [], [begun]):
        speaker.step(together)
    speaker.begin(second.prompt, second.options, second.seed, slot=1)
    while not speaker.is_over(begun):
        speaker.step([begun])
    assert begun.tokens == expected


def state(speaker: Speaker) -> dict[str, Tensor]:
    """Everything that calls of `frame` write, by name: [slots, …]."""
    module = speaker.call.modules["frame"]  # type: ignore[attr-defined]
    names = (".keys", ".values", "last.embedding", "last.seen")
    return {name: tensor for name, tensor in module.named_buffers() if name.endswith(names)}


def forget(speaker: Speaker) -> None:
    for tensor in state(speaker).values():
        tensor.zero_()


def of_talker(tensor: Tensor) -> Tensor:
    """Without the places of nobody."""
    return tensor[:, :MAX_SEQ_LEN] if tensor.dim() == 3 else tensor


@pytest.fixture
def begun(speaker: Speaker) -> Tensor:
    """The input of a `frame` in which three speak."""
    for slot, arrival in enumerate(arrivals_at(speaker, 0.9)[:BATCH]):
        speaker.begin(arrival.prompt, arrival.options, arrival.seed, slot)
    config = speaker.config
    generator = torch.Generator().manual_seed(1)
    packed = idle(BATCH, config.talker.hidden_size, config.num_code_groups)
    packed[:, :-10] = torch.rand(packed[:, :-10].shape, generator=generator)
    packed[:, -10:] = torch.tensor([0.9, 50, 1, 0.9, 50, 1, 60, 7, 0, 1.3])
    return packed


@both_ways
def test_nothing_is_left_of_idle_rows(speaker: Speaker, begun: Tensor) -> None:
    """What is in their slots is poison, which neither changes nor is noticed."""
    before = {name: tensor.clone() for name, tensor in state(speaker).items()}
    (expected,) = speaker.call("frame", begun)
    for name, tensor in state(speaker).items():
        tensor.copy_(before[name])
        tensor[[0, 2]] = torch.nan
    config = speaker.config
    packed = idle(BATCH, config.talker.hidden_size, config.num_code_groups)
    packed[1] = begun[1]
    (codes,) = speaker.call("frame", packed)
    assert torch.equal(codes[1], expected[1])
    for name, tensor in state(speaker).items():
        assert "code_predictor" in name or of_talker(tensor[0]).isnan().all(), name
        assert not of_talker(tensor[1]).isnan().any(), name
    forget(speaker)


@both_ways
def test_a_row_depends_on_no_other(speaker: Speaker, begun: Tensor) -> None:
    """To the last bit of what the frame leaves."""
    before = {name: tensor.clone() for name, tensor in state(speaker).items()}
    found = []
    for change in (1.0, 0.5):
        for name, tensor in state(speaker).items():
            tensor.copy_(before[name])
            tensor[[0, 2]] *= change
        packed = begun.clone()
        packed[[0, 2], :-10] *= change
        packed[[0, 2], -4] += 2 * change
        (codes,) = speaker.call("frame", packed)
        found.append({"codes": codes} | {name: tensor.clone() for name, tensor in state(speaker).items()})
    first, second = found
    assert not torch.equal(first["last.embedding"][0], second["last.embedding"][0])
    for name in first:
        assert torch.equal(first[name][1], second[name][1]), name


def test_who_breaks_leaves_alone(folder: Path, speaker: Speaker) -> None:
    arrivals = arrivals_at(speaker, 0.9)[:2]
    expected = [alone(speaker, arrival) for arrival in arrivals]
    checkpoint, calls = SmallerCheckpoint(folder), 0

    def breaking(method: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The sum of slot 0's embeddings is no number in the third call of `frame`."""
        nonlocal calls
        calls += method == "frame"
        if calls == 3:
            state(speaker)["last.embedding"][0] = torch.nan
        return speaker.call(method, *inputs)

    other = Speaker(checkpoint.config, checkpoint.tokenizer_json, breaking, BATCH)
    broken, whole = speak_together(other, arrivals)
    assert broken is None
    expect_equal(whole, expected[1])
    forget(speaker)  # the plain modules multiply what they do not see by zero
    expect_equal(alone(speaker, arrivals[0]), expected[0])


def test_a_broken_row_is_told(speaker: Speaker, begun: Tensor) -> None:
    state(speaker)["last.embedding"][1] = torch.nan
    (codes,) = speaker.call("frame", begun)
    assert codes[1, 0] == NOTHING_TO_DRAW
    assert (codes[[0, 2]] >= 0).all()
    forget(speaker)


def test_codec_has_a_state_in_each_slot(folder: Path, speaker: Speaker) -> None:
    """More frames than its window of 8, call by call in turn, and twice: the second time begins anew."""
    generator = torch.Generator().manual_seed(2)
    codes = [torch.randint(0, 256, (count, speaker.config.num_code_groups), generator=generator) for count in (14, 9)]
    expected = [speaker.decode(some, slot=1) for some in codes]
    only = speaker_of(folder, 1)
    for some, samples in zip(codes, expected):
        torch.testing.assert_close(samples, only.decode(some), rtol=0, atol=1e-5)
    for _ in range(2):
        calls = zip_longest(speaker.decoded(codes[0], slot=2), speaker.decoded(codes[1], slot=0))
        for samples, pieces in zip(expected, zip(*calls)):
            assert torch.equal(torch.cat([piece for piece in pieces if piece is not None]), samples)
