"""Quantized linear layers: how weights are packed, what rounding costs, and what stands in a layer's neighbourhood."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qwen3_tts.export.packing import linear as packed_weights
from qwen3_tts.export.quantize.linears import QuantizedLinear, quantize_linears
from qwen3_tts.export.quantize.rounding import InputMoments, group_scales, lowest_code, rounded
from qwen3_tts.export.stages.linear import Linear, RMSNorm

BITS = (4, 5, 6, 8)
# Of the norm of normal weights, in groups of 32: what searched scales leave, and scales to the largest weight.
ERRORS = {4: (0.087, 0.095), 5: (0.043, 0.0453), 6: (0.021, 0.0218), 8: (0.0053, 0.0053)}


@pytest.mark.parametrize("bits", BITS)
def test_packing_loses_nothing(bits: int) -> None:
    codes = torch.randint(0, 1 << bits, (48, 96), dtype=torch.uint8)
    packed = packed_weights.pack_codes(codes, bits)
    assert packed.shape == (3, 3, packed_weights.block_bytes(bits))
    assert packed_weights.packed_bits(packed) == bits
    assert torch.equal(packed_weights.unpack_codes(packed), codes)


def test_a_block_of_four_bits_stands_as_documented() -> None:
    """Row 3, column 9: quad 2, so the low half of vector 1, byte 3 * 4 + 1."""
    codes = torch.zeros(16, 32, dtype=torch.uint8)
    codes[3, 9] = 11
    codes[3, 13] = 5  # quad 3: the high half of the same byte
    packed = packed_weights.pack_codes(codes, 4).flatten()
    assert packed.nonzero().flatten().tolist() == [64 + 13]
    assert int(packed[64 + 13]) == 11 + (5 << 4)


@pytest.mark.parametrize(
    ("bits", "column", "code", "expected"),
    [
        (5, 17, 0b10110, {4: 0b10110}),  # quad 4: the low bits of vector 4
        (5, 21, 0b10110, {0: 0b101 << 5, 1: 0b10 << 6}),  # quad 5
        (6, 25, 0b101101, {0: 0b01 << 6, 1: 0b11 << 6, 2: 0b10 << 6}),  # quad 6
    ],
)
def test_a_code_in_pieces_stands_above_others(bits: int, column: int, code: int, expected: dict[int, int]) -> None:
    codes = torch.zeros(16, 32, dtype=torch.uint8)
    codes[3, column] = code
    vectors = packed_weights.pack_codes(codes, bits).view(bits, 64)
    assert {int(v): int(vectors[v, 13]) for v in vectors[:, 13].nonzero()} == expected
    assert vectors.count_nonzero() == len(expected)


def test_scales_are_packed_by_panels() -> None:
    scales = torch.arange(96, dtype=torch.float32).view(32, 3)
    packed = packed_weights.pack_scales(scales)
    assert packed.shape == (2, 3, 16)
    assert packed.dtype == torch.bfloat16
    assert packed[1, 2, 5] == scales[21, 2]
    assert torch.equal(packed_weights.unpack_scales(packed), scales)


@pytest.mark.parametrize("bits", BITS)
def test_error_of_the_weights(bits: int) -> None:
    torch.manual_seed(0)
    weight = torch.randn(64, 1024)
    scales = group_scales(weight, bits, 32)
    assert torch.equal(scales, scales.bfloat16().float())
    largest = weight.view(64, -1, 32).abs().amax(-1) / (packed_weights.midpoint(bits) - 1)

    def error(of: torch.Tensor) -> float:
        groups = weight.view(64, -1, 32) / of[..., None]
        near = groups.round().clamp(lowest_code(bits), packed_weights.midpoint(bits) - 1) * of[..., None]
        return float((near.flatten(1) - weight).norm() / weight.norm())

    searched, plain = ERRORS[bits]
    assert error(scales) < searched
    assert error(scales) <= error(largest) * 1.001
    assert error(largest) == pytest.approx(plain, rel=0.03)


@pytest.mark.parametrize("bits", BITS)
def test_layer_is_near_the_float_layer(bits: int) -> None:
    torch.manual_seed(1)
    linear, norm = Linear(128, 64), RMSNorm(128, 1e-6)
    x, residual = torch.randn(5, 128), torch.randn(5, 64)
    exact = linear(x, norm=norm, residual=residual)
    near = QuantizedLinear(linear, bits, 64)(x, norm=norm, residual=residual)
    error = (near - exact).norm() / (exact - residual).norm()
    assert 0.1 * ERRORS[bits][0] < error < 2 * ERRORS[bits][0]


def test_neighbours_are_taken_along() -> None:
    linear, norm = Linear(8, 4), RMSNorm(8, 1e-6)
    nn.init.uniform_(norm.weight)
    x, residual = torch.randn(3, 8), torch.randn(3, 4)
    torch.testing.assert_close(linear(x, norm=norm, residual=residual), residual + linear(norm(x)))


def moments_of(rows: torch.Tensor) -> InputMoments:
    moments = InputMoments(rows.shape[1])
    for part in rows.split(100):
        moments.add(part)
    return moments


def output_error(weight: torch.Tensor, bits: int, moments: InputMoments | None, rows: torch.Tensor) -> float:
    codes, scales = rounded(weight, bits, 32, moments)
    near = (codes.view(*scales.shape, 32) * scales[..., None]).flatten(1)
    return float((rows @ (near - weight).t()).norm() / (rows @ weight.t()).norm())


@pytest.mark.parametrize("bits", BITS)
def test_weights_rounded_by_their_inputs_change_outputs_less(bits: int) -> None:
    torch.manual_seed(2)
    weight, mixing = torch.randn(48, 128), torch.randn(32, 128)
    rows = torch.randn(400, 32) @ mixing + torch.randn(400, 128)  # inputs that know of each other
    seen, unseen = rows[:300], rows[300:]
    by_inputs = output_error(weight, bits, moments_of(seen), unseen)
    assert by_inputs < 0.75 * output_error(weight, bits, None, unseen)


def test_few_rows_of_noise_teach_nothing() -> None:
    """Where rows are fewer than inputs, and these know nothing of each other, what they seem to say is chance."""
    torch.manual_seed(3)
    weight, seen, unseen = torch.randn(48, 256), torch.randn(64, 256), torch.randn(500, 256)
    by_inputs = output_error(weight, 4, moments_of(seen), unseen)
    assert by_inputs < 1.02 * output_error(weight, 4, None, unseen)


def test_moments_are_those_of_the_inputs() -> None:
    torch.manual_seed(4)
    factor = torch.randn(8, 8)
    estimate = moments_of(torch.randn(100_000, 8) @ factor).estimate()
    torch.testing.assert_close(estimate.float(), factor.t() @ factor, rtol=0.03, atol=0.1)


def test_moments_of_nothing_are_refused() -> None:
    spoiled = InputMoments(8)
    spoiled.add(torch.full((1, 8), torch.nan))
    for moments in (InputMoments(8), spoiled):
        with pytest.raises(ValueError, match="no inputs, or inputs that are no numbers"):
            moments.estimate()


def test_inputs_of_zero_round_as_none() -> None:
    weight = torch.randn(16, 64)
    assert torch.equal(rounded(weight, 4, 32, moments_of(torch.zeros(5, 64)))[0], rounded(weight, 4, 32)[0])


def test_only_the_named_part_is_quantized() -> None:
    stack = nn.ModuleDict({"layers": nn.ModuleList([Linear(32, 16), nn.Linear(32, 16)]), "head": Linear(32, 16)})
    quantize_linears(stack, 4, 32, "layers")
    assert isinstance(stack.get_submodule("layers.0"), QuantizedLinear)
    assert isinstance(stack.get_submodule("layers.1"), nn.Linear), "a plain layer of torch is not ours"
    assert isinstance(stack.get_submodule("head"), Linear)


@pytest.mark.parametrize(("columns", "rows"), [(48, 16), (64, 24)])
def test_a_shape_that_cannot_be_cut_is_named(columns: int, rows: int) -> None:
    stack = nn.ModuleDict({"odd": Linear(columns, rows)})
    with pytest.raises(ValueError, match=f"odd: {columns} inputs and {rows} outputs"):
        quantize_linears(stack, 4, 32)


def test_group_size_is_halved_where_it_does_not_fit() -> None:
    layers = nn.ModuleDict({"wide": Linear(128, 16, bias=False), "narrow": Linear(96, 16, bias=False)})
    quantize_linears(layers, 4, 128)
    scales = [layer.get_buffer("scales") for layer in layers.values()]
    assert [tensor.shape[1] for tensor in scales] == [1, 3]


def test_layer_of_no_groups_is_named() -> None:
    with pytest.raises(ValueError, match="odd: 40 inputs and 16 outputs cannot be cut into groups of 32"):
        quantize_linears(nn.ModuleDict({"odd": Linear(40, 16, bias=False)}), 4, 64)
