"""How sure a difference of error rates is: pairs of the same sentences, drawn again and again.

Where no pair differs, drawing them again says nothing: then the interval is that of the rule of three.

An error rate is the errors of all sentences divided by their words (or characters). Two recipes say the same sentences,
so sentences are drawn in pairs. The interval is the bootstrap's, the p value that of a test which swaps the two of a
pair at random: how often chance alone gives as large a difference, in either direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 10000
SEED = 20261129
LEVEL = 95  # percent of the draws that the interval holds
SURE = 0.05
RULE_OF_THREE = 3  # errors that 95 % of samples with more would have shown


@dataclass(frozen=True)
class Comparison:
    """Of a recipe with what it is compared with; rates are shares."""

    rate: float
    other_rate: float
    low: float  # of the difference
    high: float
    p_value: float

    @property
    def difference(self) -> float:
        return self.rate - self.other_rate

    @property
    def verdict(self) -> str:
        if self.low > 0 and self.p_value < SURE:
            return "loses words"
        if self.high < 0 and self.p_value < SURE:
            return "gains words"
        return "no difference shown"


def compare(errors: Sequence[int], other_errors: Sequence[int], lengths: Sequence[int]) -> Comparison:
    """Of the same sentences, in the same order. Raises ValueError when there is none."""
    if not lengths or not len(errors) == len(other_errors) == len(lengths):
        raise ValueError(f"{len(errors)} and {len(other_errors)} sentences of {len(lengths)} cannot be compared")
    random = np.random.default_rng(SEED)
    mine, others, words = (np.asarray(values, np.float64) for values in (errors, other_errors, lengths))
    drawn = random.integers(0, len(words), (DRAWS, len(words)))
    differences = (mine - others)[drawn].sum(1) / words[drawn].sum(1)
    low, high = np.percentile(differences, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    total = words.sum()
    if not (mine - others).any():
        low, high = -RULE_OF_THREE / total, RULE_OF_THREE / total
    return Comparison(
        float(mine.sum() / total), float(others.sum() / total), float(low), float(high),
        swapped_p_value(mine - others, random),
    )  # fmt: skip


def swapped_p_value(differences: np.ndarray, random: np.random.Generator) -> float:
    """Two-sided; the pairs as they are count as one of the draws."""
    signs = random.choice([-1.0, 1.0], (DRAWS, len(differences)))
    as_large = (np.abs((signs * differences).sum(1)) >= abs(differences.sum()) - 1e-9).sum()
    return float((as_large + 1) / (DRAWS + 1))


def interval(errors: Sequence[int], lengths: Sequence[int]) -> tuple[float, float]:
    """Of an error rate by itself."""
    same = compare(errors, [0] * len(errors), lengths)  # with no error at all, up to 3 may have been missed
    return max(0.0, same.low), same.high
