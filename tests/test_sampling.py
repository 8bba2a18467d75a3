"""Sampling: the definition's properties, and its equality with the runner's sampler draw for draw."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sampler_program
from qwen3_tts.sampling import philox4x32_10, pick, process_talker_logits, uniform
from sampler_program import answers

ALMOST_ONE = 1 - 2**-24  # the largest value of uniform()


def test_philox_known_answers() -> None:
    """Random123, kat_vectors, philox4x32 10."""
    ones = 0xFFFFFFFF
    assert philox4x32_10((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox4x32_10((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox4x32_10(pi, (0xA4093822, 0x299F31D0)) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


def test_uniform_equals_the_runner(build_dir: Path) -> None:
    generator = np.random.default_rng(0)
    cases = [(0, 0, 0, 0), (2**64 - 1, 2**64 - 1, 2**32 - 1, 2**32 - 1), (42, 2**32, 15, 3)]
    cases += [(*generator.integers(0, 2**62, 2).tolist(), group % 16, group % 3) for group in range(500)]
    found = answers(build_dir, "uniform", b"".join(struct.pack("<QQII", *case) for case in cases))
    assert [float.fromhex(value) for value in found] == [uniform(*case) for case in cases]


def test_pick_equals_the_runner(build_dir: Path) -> None:
    """Random logits of many sizes and shapes: plain, with ties, with banned ids, and with far outliers."""
    generator = np.random.default_rng(1)
    cases, expected = [], []
    for case in range(3000):
        size = int(generator.choice([1, 2, 5, 50, 51, 300, 2048, 3072], p=[0.05, 0.1, 0.2, 0.2, 0.2, 0.15, 0.05, 0.05]))
        logits = generator.normal(0, generator.choice([0.1, 3, 40]), size).astype(np.float32)
        if case % 3 == 1:
            logits = np.round(logits)
        if case % 4 == 1:
            logits[generator.random(size) < 0.5] = -np.inf
            logits[generator.integers(size)] = 0
        temperature = float(np.float32(generator.choice([0, 0.3, 0.9, 1, 1.7])))
        top_k = int(generator.choice([0, 1, 2, 50, 3071, 5000]))
        top_p = float(np.float32(generator.choice([0.01, 0.5, 0.9, 0.999, 1])))
        number = float(generator.choice([0, ALMOST_ONE, generator.integers(2**24) * 2**-24]))
        cases.append(struct.pack("<iifff", size, top_k, temperature, top_p, number) + logits.tobytes())
        expected.append(pick(logits, temperature, top_k, top_p, number))
    assert [int(value) for value in answers(build_dir, "pick", b"".join(cases))] == expected


@pytest.mark.parametrize("num_generated", [0, 1, 2, 300])
def test_talker_processing_equals_the_runner(num_generated: int, build_dir: Path) -> None:
    generator = np.random.default_rng(num_generated)
    logits = generator.normal(0, 5, 3072).astype(np.float32)
    settings: dict[str, Any] = {
        "generated": generator.integers(0, 200, num_generated).tolist(),
        "repetition_penalty": float(np.float32(1.05)),
        "min_new_tokens": 2,
        "code_vocab_size": 2048,
        "eos_id": 2150,
    }
    found = sampler_program.process_talker_logits(build_dir, logits, **settings)
    np.testing.assert_array_equal(found, process_talker_logits(logits, **settings))


def test_greedy_takes_the_lowest_of_the_largest() -> None:
    assert pick(np.array([1, 3, 2, 3]), 0, 1, 1.0, ALMOST_ONE) == 1


def test_boundary_belongs_to_the_next_id() -> None:
    assert [pick(np.full(4, 7.0), 1, 0, 1.0, number) for number in (0, 0.25, 0.75, ALMOST_ONE, 1)] == [0, 1, 3, 3, 3]


def reachable(logits: list[float], *, top_k: int, top_p: float) -> set[int]:
    return {pick(np.array(logits), 1.0, top_k, top_p, step / 512) for step in range(512)}


def test_top_k_keeps_ties() -> None:
    assert reachable([1, 2, 0, 1, 3], top_k=3, top_p=1.0) == {0, 1, 3, 4}
    assert reachable([1, 2, 0, 1, 3], top_k=0, top_p=1.0) == {0, 1, 2, 3, 4}


def test_top_p_drops_the_tail_and_keeps_one() -> None:
    assert reachable([5] * 8, top_k=0, top_p=0.5) == {4, 5, 6, 7}
    assert reachable([5] * 8, top_k=0, top_p=1e-6) == {7}


def test_banned_logits_are_never_drawn() -> None:
    assert reachable([-np.inf, 1, -np.inf, 1], top_k=3, top_p=0.99) == {1, 3}


@pytest.mark.parametrize("logits", [[-np.inf, -np.inf], [1, np.nan], [1, np.inf]])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_broken_logits_raise(logits: list[float], temperature: float) -> None:
    with pytest.raises(ValueError, match="nothing to draw from"):
        pick(np.array(logits), temperature, 0, 1.0, 0.5)


def test_talker_processing_leaves_its_input() -> None:
    logits = np.ones(10, dtype=np.float32)
    processed = process_talker_logits(
        logits, generated=[1], repetition_penalty=2.0, min_new_tokens=2, code_vocab_size=6, eos_id=8
    )
    assert (logits == 1).all()
    assert processed.tolist() == [1, 0.5, 1, 1, 1, 1] + [-np.inf] * 4
