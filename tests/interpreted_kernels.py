"""Runs the project's Triton kernels in Triton's interpreter, beside what defines them, and prints how far they differ.

    TRITON_INTERPRET=1 python tests/interpreted_kernels.py

One JSON object: differences of products and of attention by case, codes drawn beside those of the definition, and what
of a row depends on the rows beside it. The interpreter has to be chosen before Triton is imported, so this is a process
of its own (test_cuda_kernels.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from qwen3_tts import sampling
from qwen3_tts.export.cuda.kernels import attention, draws, products, settle

NORM_EPS = 1e-6
DRAWS = 45
HIDDEN = 8
PAST = 7  # rows of the table before those of the codes


def largest(found: Tensor, expected: Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    return float((found - expected).abs().max() / expected.abs().max())


def of_products() -> Iterator[tuple[str, float]]:
    """Rows, outputs and inputs that are and are not whole blocks, with and without neighbours."""
    for rows, outputs, inputs in ((1, 24, 64), (2, 9, 1040), (3, 20, 200), (33, 16, 128)):
        x, weight = torch.randn(rows, inputs), torch.randn(outputs, inputs)
        norm, bias, residual = torch.rand(inputs), torch.randn(outputs), torch.randn(rows, outputs)
        for name, neighbours in (
            ("plain", (None, 0.0, None, None)),
            ("with all", (norm, NORM_EPS, bias, residual)),
        ):
            given = (x, weight, *neighbours)
            yield f"{name} {rows} {outputs} {inputs}", largest(products.run_product(*given), products.product(*given))
        both = torch.randn(2 * outputs, inputs)
        given = (x, both, norm, NORM_EPS)
        found, expected = products.run_gated_product(*given), products.gated_product(*given)
        yield f"gated {rows} {outputs} {inputs}", largest(found, expected)


def of_attention() -> Iterator[tuple[str, float]]:
    """A short cache at its ends, and one that is read in parts; what is not filled is poison, and stays it."""
    for slots, rows, position, offset, heads, kv_heads in (
        (16, 2, None, 0, 4, 2),
        (16, 1, None, 15, 3, 1),
        (16, 1, 4, 3, 2, 2),
        (300, 1, 0, 0, 2, 1),
        (300, 1, 250, 0, 2, 1),
    ):
        size, first = 16, offset + (position or 0)
        keys = torch.randn(1, kv_heads, slots, size)
        values = torch.randn(1, kv_heads, slots, size)
        poisoned = (keys.clone(), values.clone())
        for cache in poisoned:
            cache[:, :, first:] = torch.nan
        qkv = torch.randn(rows, (heads + 2 * kv_heads) * size)
        norms = (torch.rand(size), torch.rand(size))
        frequencies = 1e4 ** -(torch.arange(8) / 8)
        place = None if position is None else torch.tensor([position])
        found = attention.run_attention(qkv, *norms, *poisoned, frequencies, place, offset, None, 1, NORM_EPS)
        expected = attention.attention(qkv, *norms, keys, values, frequencies, place, offset, None, 1, NORM_EPS)
        end = first + rows
        written = max(largest(cache[:, :, :end], right[:, :, :end]) for cache, right in zip(poisoned, (keys, values)))
        untouched = all(bool(cache[:, :, end:].isnan().all()) for cache in poisoned)
        name = f"{rows} at {first} of {slots}"
        yield name, max(largest(found, expected), written, 0.0 if untouched else 1.0)


def of_attention_of_many() -> Iterator[tuple[str, float]]:
    """Utterances at places of their own (-1: nobody), two rows of each, and one in a slot. What no row reads is poison,
    also all of a slot in which nobody speaks, and stays it."""
    for places, rows, firsts, slot in (
        (16, 2, (0, 0, 0), None),
        (16, 1, (4, -1, 15), None),
        (300, 1, (0, 250, -1), None),
        (300, 1, (-1, -1, 17), 2),
    ):
        size, kv_heads, heads = 16, 2, 4
        spoken = [number for number, first in enumerate(firsts) if first >= 0]
        utterances = len(firsts) if slot is None else 1
        keys, values = torch.randn(2, len(firsts), kv_heads, places, size)
        poisoned = [keys.clone(), values.clone()]
        for number, first in enumerate(firsts):
            for cache in poisoned:
                cache[number, :, max(first, 0) :] = torch.nan
        qkv = torch.randn(rows * utterances, (heads + 2 * kv_heads) * size)
        norms, frequencies = (torch.rand(size), torch.rand(size)), 1e4 ** -(torch.arange(8) / 8)
        positions = torch.tensor(firsts if slot is None else firsts[slot : slot + 1])
        given = (None if rows > 1 else positions, 0, None if slot is None else torch.tensor([slot]), utterances)
        found = attention.run_attention(qkv, *norms, poisoned[0], poisoned[1], frequencies, *given, NORM_EPS)
        expected = attention.attention(qkv, *norms, keys, values, frequencies, *given, NORM_EPS)
        asked = spoken if slot is None else [0]
        error = largest(*(out.view(rows, utterances, -1)[:, asked] for out in (found, expected)))
        for cache, right in zip(poisoned, (keys, values)):
            for number, first in enumerate(firsts):
                right[number, :, first + rows if first >= 0 else 0 :] = torch.nan
            is_right = torch.allclose(cache, right, rtol=0, atol=1e-5, equal_nan=True)
            error = max(error, 0.0 if is_right and bool(found.isfinite().all()) else 1.0)
        yield f"{rows} of each at {firsts} of {places}", error


def of_neighbours() -> Iterator[tuple[str, bool]]:
    """Whether a row is the same to the last bit beside other rows."""
    rows, inputs, outputs, row = 5, 200, 20, 3
    x, weight, both = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(2 * outputs, inputs)
    other = 3 * torch.randn(rows, inputs)
    other[row] = x[row]
    norm, residual = torch.rand(inputs), torch.randn(rows, outputs)
    made = [products.run_product(given, weight, norm, NORM_EPS, None, residual)[row] for given in (x, other)]
    yield "product", bool(torch.equal(*made))
    made = [products.run_gated_product(given, both, norm, NORM_EPS)[row] for given in (x, other)]
    yield "gated product", bool(torch.equal(*made))
    caches = torch.randn(2, rows, 1, 100, 16)
    qkv, norms = torch.randn(rows, 4 * 16), (torch.rand(16), torch.rand(16))
    made = []
    for positions, scale in (((9, 5, 0, 70, 3), 1.0), ((50, -1, 99, 70, 20), 2.0)):
        held, given = caches * scale, qkv * scale
        held[:, row], given[row] = caches[:, row], qkv[row]
        at, frequencies = torch.tensor(positions), 1e4 ** -(torch.arange(8) / 8)
        out = attention.run_attention(given, *norms, held[0], held[1], frequencies, at, 0, None, rows, NORM_EPS)
        made.append(out[row])
    yield "attention", bool(torch.equal(*made))
    logits, uniforms = torch.randn(rows, 50), torch.rand(rows, 3)
    made = []
    for scale in (1.0, 2.0):
        given, settings = logits * scale, torch.tensor([[0.9 * scale, 7, 0.9]]).repeat(rows, 1)
        given[row], settings[row] = logits[row], torch.tensor([0.9, 7, 0.9])
        code, embedding, _ = draws.run_draw(given, uniforms, 1, settings, torch.arange(100.0).view(50, 2), 0, None)
        made.append(torch.cat([code[row : row + 1].float(), embedding[row]]))
    yield "draw", bool(torch.equal(*made))


def of_draws_of_many() -> tuple[list[int], list[int]]:
    """Codes of several rows, each with its own settings, and those of the definition; one has nothing to draw from."""
    rows, size = 6, 60
    logits = torch.randn(rows, size) * 3
    logits[4, 7] = torch.nan
    uniforms = torch.rand(rows, 4)
    settings = torch.tensor([[0, 0, 1], [0.9, 50, 1], [0.9, 3, 1], [1.7, 0, 0.9], [1, 0, 1], [1, 9, 0.5]])
    table, total = torch.randn(PAST + size, HIDDEN), torch.randn(rows, HIDDEN)
    given = (logits, uniforms, 2, settings, table, PAST, total)
    (codes, embeddings, sums), expected = draws.run_draw(*given), draws.draw(*given)
    assert torch.equal(embeddings, expected[1])
    assert torch.equal(sums, expected[2])
    return codes.tolist(), expected[0].tolist()


def of_draws() -> Iterator[tuple[int, int]]:
    """What is drawn, and what the definition draws: plain, with ties, with banned ids, with nothing to draw."""
    generator = np.random.default_rng(1)
    table = torch.randn(PAST + 300, HIDDEN)
    total = torch.randn(1, HIDDEN)
    for case in range(DRAWS):
        size = int(generator.choice([1, 2, 50, 51, 300]))
        logits = generator.normal(0, generator.choice([0.1, 3, 40]), size).astype(np.float32)
        if case % 3 == 1:
            logits = np.round(logits)
        if case % 4 == 1:
            logits[generator.random(size) < 0.5] = -np.inf
            logits[generator.integers(size)] = 0
        temperature = float(generator.choice([0, 0.3, 0.9, 1.7, 1e-42]))
        top_k, top_p = int(generator.choice([0, 1, 2, 50, 5000])), float(generator.choice([0.013, 0.507, 0.9007, 1]))
        uniform = float(generator.integers(1, 2**24) * 2**-24)
        drawn = _draw(logits, [temperature, top_k, top_p], uniform, table, total if case % 2 else None)
        yield drawn, sampling.pick(logits, temperature, top_k, top_p, uniform)
    for broken in ([-np.inf, -np.inf], [1, np.nan], [1, np.inf]):
        for temperature in (0.0, 1.0):
            logits = np.array(broken, dtype=np.float32)
            yield _draw(logits, [temperature, 0, 1.0], 0.5, table, None), sampling.NOTHING_TO_DRAW


def _draw(logits: np.ndarray, settings: list[float], uniform: float, table: Tensor, total: Tensor | None) -> int:
    uniforms = torch.tensor([[0.0, uniform]])
    code, row, sums = draws.run_draw(
        torch.from_numpy(logits)[None], uniforms, 1, torch.tensor([settings]), table, PAST, total
    )
    expected = table[max(int(code), 0) + PAST]
    assert torch.equal(row[0], expected)
    assert torch.equal(sums[0], expected if total is None else total[0] + expected)
    return int(code)


def main() -> None:
    torch.manual_seed(1)
    torch.set_num_threads(1)
    np.seterr(over="ignore", invalid="ignore")  # as on a device
    with ExitStack() as stack:
        for module in (attention, draws, products, settle):
            stack.enter_context(patch.object(module, "wrap_triton", lambda kernel: kernel))
        numbers = torch.randn(2, 5)
        report: dict[str, Any] = {
            "products": dict(of_products()),
            "attention": dict(of_attention()),
            "attention of many": dict(of_attention_of_many()),
            "neighbours": dict(of_neighbours()),
            "draws of many": of_draws_of_many(),
            "draws": list(of_draws()),
            "settled": bool(torch.equal(settle.run_settle(numbers), numbers)),
        }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
