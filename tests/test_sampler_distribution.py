"""How often the sampler draws each token: as often as the reference's logits processors say (tests/golden/sampler.npz).

A test of Pearson's chi-squared on many draws says whether the frequencies are right, and the middle of every token's
share of [0, 1) whether exactly the right tokens can be drawn. The seeds are fixed, so that an outcome never changes.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import models
import sampler_program
from qwen3_tts import sampling

GOLDEN = models.REPOSITORY / "tests" / "golden" / "sampler.npz"
DRAWS = {"runner": 50_000, "twin": 5_000}
SEED = 2025
SIGNIFICANCE = 1e-4  # how often a right sampler would be refused, were the seed not fixed
SMALLEST_CELL = 10  # expected draws; rarer tokens are counted together
CERTAIN = 25  # a token expected this often is missing once in 10^11 runs

with np.load(GOLDEN) as file:
    ARRAYS: dict[str, NDArray[Any]] = dict(file)
META = json.loads(str(ARRAYS["meta"]))
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in META["cases"]}


class Runner:
    """The C++ sampler."""

    def __init__(self, build_dir: Path):
        self.build_dir = build_dir

    def process(self, logits: NDArray[np.float32], **settings: Any) -> NDArray[np.float32]:
        return sampler_program.process_talker_logits(self.build_dir, logits, **settings)

    def draw(self, logits: NDArray[np.float32], settings: tuple[float, int, float], count: int) -> NDArray[np.int64]:
        return sampler_program.draws(self.build_dir, logits, *settings, seed=SEED, count=count)

    def pick(
        self, logits: NDArray[np.float32], settings: tuple[float, int, float], uniforms: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        return sampler_program.picks(self.build_dir, logits, *settings, uniforms)


class Twin:
    """The same sampler in qwen3_tts/sampling.py."""

    def process(self, logits: NDArray[np.float32], **settings: Any) -> NDArray[np.float32]:
        return sampling.process_talker_logits(logits, **settings)

    def draw(self, logits: NDArray[np.float32], settings: tuple[float, int, float], count: int) -> NDArray[np.int64]:
        uniforms = [sampling.uniform(SEED, frame, 0) for frame in range(count)]
        return self.pick(logits, settings, np.array(uniforms, dtype=np.float32))

    def pick(
        self, logits: NDArray[np.float32], settings: tuple[float, int, float], uniforms: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        return np.array([sampling.pick(logits, *settings, float(uniform)) for uniform in uniforms], dtype=np.int64)


Sampler = Runner | Twin


@pytest.fixture(params=["runner", "twin"])
def sampler(request: pytest.FixtureRequest, build_dir: Path) -> Sampler:
    return Runner(build_dir) if request.param == "runner" else Twin()


def processed(sampler: Sampler, case: dict[str, Any]) -> NDArray[np.float32]:
    """The logits of a case as a token is drawn from them; the code predictor's are drawn from as they are."""
    logits = ARRAYS[f"logits.{case['logits']}"]
    if "generated" not in case:
        return logits
    fixed = {name: META[name] for name in ("code_vocab_size", "eos_id", "min_new_tokens")}
    return sampler.process(logits, generated=case["generated"], repetition_penalty=case["repetition_penalty"], **fixed)


def settings_of(case: dict[str, Any]) -> tuple[float, int, float]:
    return case["temperature"], case["top_k"], case["top_p"]


def count_draws(sampler: Sampler, case: dict[str, Any], count: int) -> NDArray[np.int64]:
    """How often each token comes in `count` draws, [V]."""
    logits = processed(sampler, case)
    return np.bincount(sampler.draw(logits, settings_of(case), count), minlength=len(logits))


def chi_squared(counts: NDArray[np.int64], probabilities: NDArray[np.float64]) -> tuple[float, float]:
    """Pearson's statistic of draws that were possible, and the value that it exceeds with probability SIGNIFICANCE."""
    possible = np.flatnonzero(probabilities)
    order = possible[np.argsort(-probabilities[possible])]
    expected, found = counts.sum() * probabilities[order], counts[order]
    large = max(1, int((expected >= SMALLEST_CELL).sum()))
    if large < len(order) and expected[large:].sum() < SMALLEST_CELL:
        large -= 1  # the rare ones do not fill a cell: the rarest of the others joins them
    expected = np.append(expected[:large], expected[large:].sum())
    found = np.append(found[:large], found[large:].sum())
    kept = expected > 0
    statistic = float(((found[kept] - expected[kept]) ** 2 / expected[kept]).sum())
    return statistic, critical_value(int(kept.sum()) - 1)


def critical_value(degrees: int) -> float:
    """Of chi-squared with 10 `degrees` of freedom or more at SIGNIFICANCE (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * degrees)
    return float(degrees * (1 - spread + NormalDist().inv_cdf(1 - SIGNIFICANCE) * spread**0.5) ** 3)


@pytest.mark.parametrize("degrees", [10, 50, 200])
def test_critical_value(degrees: int) -> None:
    """With an even number of degrees, chi-squared exceeds x as often as a Poisson count of mean x / 2 is below half."""
    half = critical_value(degrees) / 2
    exceeded = sum(math.exp(count * math.log(half) - half - math.lgamma(count + 1)) for count in range(degrees // 2))
    assert exceeded == pytest.approx(SIGNIFICANCE, rel=0.2)


@pytest.mark.parametrize("name", CASES)
def test_frequencies_equal_the_reference(sampler: Sampler, name: str) -> None:
    probabilities = ARRAYS[name]
    counts = count_draws(sampler, CASES[name], DRAWS["runner" if isinstance(sampler, Runner) else "twin"])
    assert not counts[probabilities == 0].any()
    assert counts[counts.sum() * probabilities >= CERTAIN].all()
    statistic, critical = chi_squared(counts, probabilities)
    assert statistic < critical


@pytest.mark.parametrize("name", CASES)
def test_every_token_has_its_share_of_the_unit_interval(sampler: Sampler, name: str) -> None:
    """Ids in ascending order lie side by side, each as wide as it is likely; the middle of each selects it."""
    probabilities, case = ARRAYS[name], CASES[name]
    ids = np.flatnonzero(probabilities)
    ends = np.cumsum(probabilities[ids])
    middles = (ends - probabilities[ids] / 2).astype(np.float32)
    np.testing.assert_array_equal(sampler.pick(processed(sampler, case), settings_of(case), middles), ids)


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.95},
        {"top_k": 49},
        {"top_p": 0.98},
        {"repetition_penalty": 1.0},
        {"repetition_penalty": 1.1},
        {"generated": []},
    ],
    ids=str,
)
def test_a_slightly_wrong_setting_changes_the_frequencies(build_dir: Path, change: dict[str, Any]) -> None:
    counts = count_draws(Runner(build_dir), {**CASES["defaults"], **change}, DRAWS["runner"])
    statistic, critical = chi_squared(counts, ARRAYS["defaults"])
    assert statistic > critical


def test_one_token_too_many_is_drawn(build_dir: Path) -> None:
    counts = count_draws(Runner(build_dir), {**CASES["defaults"], "top_k": 51}, DRAWS["runner"])
    assert counts[ARRAYS["defaults"] == 0].any()
