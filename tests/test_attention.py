"""The eager attention operator: caches of both types against plain attention in double precision."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from qwen3_tts.export import ops  # noqa: F401  (registers the operators)
from qwen3_tts.recipe import KV_CACHE_DTYPES

HEADS, KV_HEADS, HEAD_DIM, ROWS = 4, 2, 16, 9
WIDTH = (HEADS + 2 * KV_HEADS) * HEAD_DIM


def empty_kv(dtype: torch.dtype) -> Tensor:
    return torch.zeros((1, 1, 2, KV_HEADS, ROWS, HEAD_DIM), dtype=dtype)


def attend(rows: Tensor, first: int, kv: Tensor) -> Tensor:
    return attend_in_slots(rows, torch.arange(first, first + len(rows)), None, kv)


def attend_in_slots(rows: Tensor, positions: Tensor, slots: Tensor | None, kv: Tensor) -> Tensor:
    rope = torch.ops.qwen3_tts.rope(positions, HEAD_DIM, 10000.0)
    return torch.ops.qwen3_tts.attention(rows, None, None, rope, positions, slots, kv, 0, HEADS, 0, 1e-6)


def rotated(x: Tensor, position: int) -> Tensor:
    """x [heads, D] in double precision."""
    angles = position * 10000.0 ** (-torch.arange(0, HEAD_DIM, 2).double() / HEAD_DIM)
    a, b = x.double().chunk(2, dim=-1)
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], dim=-1)


def expected(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Row by row and head by head; keys and values are what a cache of `dtype` can hold."""
    heads = rows.view(ROWS, -1, HEAD_DIM)
    keys = torch.stack([rotated(heads[p, HEADS : HEADS + KV_HEADS], p) for p in range(ROWS)]).to(dtype).double()
    values = heads[:, HEADS + KV_HEADS :].to(dtype).double()
    found = torch.empty(ROWS, HEADS, HEAD_DIM, dtype=torch.float64)
    for p in range(ROWS):
        for head, query in enumerate(rotated(heads[p, :HEADS], p)):
            kv_head = head // (HEADS // KV_HEADS)
            weights = (keys[: p + 1, kv_head] @ query / math.sqrt(HEAD_DIM)).softmax(0)
            found[p, head] = weights @ values[: p + 1, kv_head]
    return found.view(ROWS, -1)


@pytest.mark.parametrize("dtype", [getattr(torch, name) for name in KV_CACHE_DTYPES.values()])
def test_attention_over_what_the_cache_holds(dtype: torch.dtype) -> None:
    rows = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(1))
    kv = empty_kv(dtype)
    found = torch.cat([attend(rows[:5], 0, kv), attend(rows[5:], 5, kv)])
    # A key that lies between two halfs may be rounded otherwise: one in some thousand, by 5e-4 of itself.
    tolerance = 1e-6 if dtype == torch.float32 else 2e-4
    torch.testing.assert_close(found.double(), expected(rows, dtype), rtol=0, atol=tolerance)
    assert kv.dtype == dtype


def test_rows_of_several_utterances_are_as_alone() -> None:
    rows = torch.randn(2, ROWS, WIDTH, generator=torch.Generator().manual_seed(3))
    alone = [attend(rows[slot], 0, empty_kv(torch.float32)) for slot in range(2)]
    kv = torch.zeros((3, *empty_kv(torch.float32).shape[1:]))
    slots = torch.tensor([2, 0])
    for position in range(ROWS):
        found = attend_in_slots(rows[:, position], torch.full((2,), position), slots, kv)
        torch.testing.assert_close(found, torch.stack([each[position] for each in alone]))
    assert kv[1].abs().max() == 0


def test_narrow_cache_costs_little() -> None:
    rows = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(2))
    wide, narrow = attend(rows, 0, empty_kv(torch.float32)), attend(rows, 0, empty_kv(torch.float16))
    assert 1e-6 < (wide - narrow).abs().max() < 2e-3


def test_narrow_cache_holds_no_infinity() -> None:
    kv = empty_kv(torch.float16)
    rows = torch.full((1, WIDTH), 1e6)
    assert attend(rows, 0, kv).unique().tolist() == [65504.0]
    assert attend(-rows, 1, kv).isfinite().all()
