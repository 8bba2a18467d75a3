"""Gaps that a listener hears, of deliveries whose times are known."""

from __future__ import annotations

import pytest

from player import longest_silence


@pytest.mark.parametrize(
    ("deliveries", "silence"),
    [
        ([], 0.0),
        ([(1.0, 0.1)], 0.0),
        ([(1.0, 0.1), (9.0, 0.3)], 0.0),  # it has not begun
        ([(1.0, 0.1), (9.0, 0.5), (9.5, 0.8)], 0.0),  # what came late before it began is no silence
        ([(1.0, 0.5), (1.6, 0.9), (1.8, 1.0)], 0.1),
        ([(1.0, 0.5), (1.6, 0.9), (2.5, 1.0)], 0.6),  # the longest of two
        ([(1.0, 0.5), (1.2, 5.0), (5.0, 6.0)], 0.0),  # a lead is kept
    ],
)
def test_longest_silence(deliveries: list[tuple[float, float]], silence: float) -> None:
    assert longest_silence(deliveries) == pytest.approx(silence)
