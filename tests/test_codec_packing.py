"""The codec decoder in fp32 as operators: its packed layers against the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.packing.convolution import pack
from qwen3_tts.export.stages.codec_decoder import CausalConv, CausalUpsample, CodecDecoder, HistoryPlan, Snake
from qwen3_tts.export.stages.linear import Linear, RMSNorm
from qwen3_tts.export.stages.packed_codec import PackedConv, PackedDepthwiseConv, PackedLinear, pack_codec

Pte = Callable[[str], Path]


def test_packed_weights_are_the_weights() -> None:
    weight = torch.randn(40, 5, 3)
    packed = pack(weight)
    assert packed.shape == (2, 3, 5, 32)
    assert packed[1, 2, 4, 7] == weight[39, 4, 2]
    assert not packed[1, :, :, 8:].any()


@pytest.mark.parametrize(("kernel", "dilation", "with_snake"), [(1, 1, False), (3, 1, True), (7, 9, True)])
def test_convolution_is_the_plain_one(kernel: int, dilation: int, with_snake: bool) -> None:
    torch.manual_seed(0)
    plan = HistoryPlan()
    conv = CausalConv(plan, 12, 40, kernel, dilation).requires_grad_(False)
    snake = Snake(12).requires_grad_(False) if with_snake else None
    if snake is not None:
        snake.weight.uniform_(0.2, 3)
    assert_same(conv, PackedConv(conv), plan, torch.randn(80, 12), snake, torch.randn(80, 40))


def test_upsampling_is_the_plain_one() -> None:
    torch.manual_seed(0)
    plan = HistoryPlan()
    conv = CausalUpsample(plan, 32, 24, rate=5, kernel=10).requires_grad_(False)
    assert_same(conv, PackedConv(conv), plan, torch.randn(11, 32))


def test_depthwise_convolution_is_the_plain_one() -> None:
    torch.manual_seed(0)
    plan = HistoryPlan()
    conv = CausalConv(plan, 12, 12, 7, groups=12).requires_grad_(False)
    assert_same(conv, PackedDepthwiseConv(conv), plan, torch.randn(9, 12))


def test_linear_layer_is_the_plain_one() -> None:
    torch.manual_seed(0)
    linear = Linear(20, 50).requires_grad_(False)
    norm = RMSNorm(20, 1e-6).requires_grad_(False)
    x, residual = torch.randn(3, 20), torch.randn(3, 50)
    packed = PackedLinear(linear)
    assert_close(packed(x), linear(x))
    assert_close(packed(x, norm=norm, residual=residual), linear(x, norm=norm, residual=residual))


def test_every_layer_is_packed(tiny_checkpoint: Pte) -> None:
    codec = Checkpoint(tiny_checkpoint("tiny-base")).codec_decoder()
    pack_codec(codec)
    assert not any(isinstance(module, CausalConv | nn.Linear) for module in codec.modules())
    filtered = {name: m.frame_size for name, m in codec.named_modules() if isinstance(m, PackedConv) and m.frame_size}
    assert len(filtered) == 3 * len(codec.config.upsample_rates)
    assert filtered["blocks.3.units.2.conv1"] == codec.config.samples_per_frame


@torch.no_grad()
def test_decoder_is_the_plain_one(tiny_checkpoint: Pte) -> None:
    plain = Checkpoint(tiny_checkpoint("tiny-base")).codec_decoder()
    packed = Checkpoint(tiny_checkpoint("tiny-base")).codec_decoder()
    pack_codec(packed)
    codes = torch.randint(0, plain.config.codebook_size, (5, plain.config.num_code_groups))
    found, exact = decode(packed, codes, [2, 3]), decode(plain, codes, [5])
    assert exact.abs().max() > 0.1
    assert_close(found, exact, atol=3e-5, rtol=0)


def decode(codec: CodecDecoder, codes: Tensor, sizes: list[int]) -> Tensor:
    state = torch.zeros(codec.history_size), codec.empty_kv(max(sizes))
    pieces = codes.split(sizes)
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return torch.cat(
        [codec(piece, torch.arange(start, start + len(piece)), *state) for piece, start in zip(pieces, starts)]
    )


def assert_same(
    plain: nn.Module, packed: nn.Module, plan: HistoryPlan, x: Tensor, *more: Tensor | nn.Module | None
) -> None:
    """The same outputs for x in two pieces, and the same history left behind."""
    histories = torch.zeros(plan.size), torch.zeros(plan.size)
    half = len(x) // 2
    for columns, pick in ((x[:half], slice(None, half)), (x[half:], slice(half, None))):
        extras = [extra[pick] if isinstance(extra, Tensor) else extra for extra in more]
        exact = plain(columns, histories[0], *extras)
        assert_close(packed(columns, histories[1], *extras), exact)
        assert_close(histories[1], histories[0])
