"""Sampling by definition: the twin of runner/src/sampler.cpp and runner/src/philox.h, which it equals draw for draw.

Logits are fp32 and are divided by the temperature in fp32; everything after that is double. Sums run in a fixed order
and `math.exp` is the C library's, as in the runner: `numpy.sum` and `numpy.exp` round differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_MASK = 0xFFFFFFFF
NOTHING_TO_DRAW = -1  # in a graph, the code of a row from which pick() could draw nothing


def philox4x32_10(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Four random 32-bit words as a pure function of counter and key (Salmon et al. 2011, Random123)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & _MASK,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & _MASK,
        )
        k0, k1 = (k0 + 0x9E3779B9) & _MASK, (k1 + 0xBB67AE85) & _MASK
    return c0, c1, c2, c3


def uniform(seed: int, frame: int, group: int, piece: int = 0) -> float:
    """The random number in [0, 1), exact in fp32, that draws code group `group` of frame `frame` of a piece.

    Group 0 is the talker's token of that index. Frames count from 0 in each piece of a text that is spoken in pieces,
    so no piece depends on how long another one was. `seed` and `frame` are unsigned 64-bit numbers, `group` and `piece`
    32-bit ones.
    """
    counter = (frame & _MASK, frame >> 32 & _MASK, group, piece)
    return (philox4x32_10(counter, (seed & _MASK, seed >> 32 & _MASK))[0] >> 8) * 2.0**-24


def pick(logits: NDArray[np.float32], temperature: float, top_k: int, top_p: float, uniform: float) -> int:
    """The id that `uniform` in [0, 1) selects from `logits` [V] by inverse CDF over the kept ids in ascending order.

    temperature 0 is greedy, lowest id first; top_k keeps the k largest and their ties (0: off); top_p keeps the most
    likely ids that reach this probability together (1: off). A logit of -inf is never drawn. Raises ValueError when
    every logit is -inf or one is NaN or +inf.
    """
    logits = np.asarray(logits, dtype=np.float32)
    if not np.all(np.isfinite(logits) | (logits == -np.inf)) or not np.any(np.isfinite(logits)):
        raise ValueError("the logits hold nothing to draw from: all are -inf, or one is NaN or +inf")
    best = int(np.argmax(logits))
    if temperature == 0:
        return best
    with np.errstate(over="ignore"):
        scaled = logits / np.float32(temperature)
    if not np.isfinite(scaled[best]):
        return best  # the temperature is so small that the division overflowed: the limit is greedy
    ids = np.flatnonzero(scaled != -np.inf)
    if 1 <= top_k < len(ids):
        threshold = np.sort(scaled[ids])[-top_k]
        ids = ids[scaled[ids] >= threshold]
    if np.float32(top_p) < 1:
        ids = _keep_top_p(scaled, ids, np.float32(top_p))
    weights = _weights(scaled[ids], scaled[best])
    target = float(np.float32(uniform)) * float(np.cumsum(weights)[-1])
    above = np.flatnonzero(np.cumsum(weights) > target)
    return int(ids[above[0]] if len(above) else ids[-1])


def _weights(scaled: NDArray[np.float32], largest: np.float32) -> NDArray[np.float64]:
    """exp(scaled - largest) [N] in double; not normalised."""
    return np.array([math.exp(float(value) - float(largest)) for value in scaled])


def _keep_top_p(scaled: NDArray[np.float32], ids: NDArray[np.int64], top_p: np.float32) -> NDArray[np.int64]:
    """`ids` without the least likely ones whose probabilities add up to at most 1 - top_p; the largest always stays."""
    order = ids[np.lexsort((ids, scaled[ids]))]  # by logit, then by id
    weights = _weights(scaled[order], scaled[order[-1]])
    cumulative = np.cumsum(weights / np.cumsum(weights)[-1])
    dropped = order[:-1][cumulative[:-1] <= 1.0 - float(top_p)]
    return ids[~np.isin(ids, dropped)]


def process_talker_logits(
    logits: NDArray[np.float32],
    *,
    generated: Sequence[int],
    repetition_penalty: float,
    min_new_tokens: int,
    code_vocab_size: int,
    eos_id: int,
) -> NDArray[np.float32]:
    """The talker's logits [V] as a token is drawn from them; the input stays as it is.

    In this order: the repetition penalty for every distinct id of `generated`; the end token is banned while
    `generated` holds fewer than `min_new_tokens`; every id from `code_vocab_size` on but the end token is banned.
    """
    logits = np.array(logits, dtype=np.float32)
    penalty = np.float32(repetition_penalty)
    distinct = np.unique(np.asarray(generated, dtype=np.int64))
    chosen = logits[distinct]
    logits[distinct] = np.where(chosen >= 0, chosen / penalty, chosen * penalty)
    end = logits[eos_id]
    logits[code_vocab_size:] = -np.inf
    logits[eos_id] = -np.inf if len(generated) < min_new_tokens else end
    return logits
