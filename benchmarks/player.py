"""A listener's player, reckoned from when speech came."""

from __future__ import annotations

from collections.abc import Sequence

BEGINS_WITH = 0.4  # seconds of speech


def longest_silence(deliveries: Sequence[tuple[float, float]]) -> float:
    """Longest time, in seconds, that a player has nothing to play which begins once BEGINS_WITH is there.

    `deliveries` are when each came and how much speech there was with it from the beginning on, both in seconds.
    """
    first = next((index for index, (_, speech) in enumerate(deliveries) if speech >= BEGINS_WITH), len(deliveries))
    later = deliveries[first:]
    return max([0.0, *(at - later[0][0] - played for (at, _), (_, played) in zip(later[1:], later))])
