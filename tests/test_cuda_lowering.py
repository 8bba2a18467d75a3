"""What of the CUDA lowering is about bfloat16, int4 and Triton, and the check of what Inductor cannot compile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import ExportedProgram

from cuda_models import SmallerCheckpoint
from cuda_without_gpu import NoKernels
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda import lowering
from qwen3_tts.export.cuda.artifacts import cuda_contract
from qwen3_tts.export.cuda.kernels.attention import attention
from qwen3_tts.export.cuda.kernels.draws import draw
from qwen3_tts.export.cuda.kernels.products import product
from qwen3_tts.export.cuda.linear import Int4Linear, fits_int4
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.cuda.static_check import arguments_of, problems
from qwen3_tts.export.lowering import export_methods
from qwen3_tts.export.methods import Method
from qwen3_tts.export.stages.linear import Linear
from qwen3_tts.recipe import Recipe
from without_gpu import compiling_with

pytestmark = pytest.mark.slow

MAX_SEQ_LEN = 512
COPIES = {"et_copy::_h2d_copy", "et_copy::_d2h_copy"}


def export_of(checkpoint: Checkpoint, recipe: Recipe, *names: str) -> dict[str, ExportedProgram]:
    """Of a GPU's methods in bfloat16, those of `names`."""
    methods = build_methods(load_stages(checkpoint, recipe, Flavour(torch.bfloat16, kernels=True), MAX_SEQ_LEN))
    with torch.no_grad():
        return export_methods([method for method in methods if method.name in names], lambda method, step: None)


def calls(program: ExportedProgram, name: str) -> list[torch.fx.Node]:
    return [node for node in program.graph.nodes if str(node.target).startswith(name)]


def test_attention_is_kernels_and_reads_what_is_filled(tiny_checkpoint: Callable[[str], Path]) -> None:
    """Of a row or two the project's own; many rows go to the backend's and see what is before them."""
    programs = export_of(
        SmallerCheckpoint(tiny_checkpoint("tiny-customvoice")), Recipe(talker="4w"), "talker", "talker_prefill"
    )
    for name, program in programs.items():
        assert problems(program) == [], name
        assert not calls(program, "aten.scaled_dot_product_attention"), name
    for name, own, backends in (("talker", 2, 0), ("talker_prefill", 0, 2)):
        assert len(calls(programs[name], "qwen3_tts_cuda.attention")) == own, name
        found = calls(programs[name], "triton.sdpa")
        assert len(found) == backends, name
        for node in found:
            given = arguments_of(node)
            rows = given["query"].meta["val"].shape[2]
            assert rows > 1 and given["attn_mask"] is not None, name
            assert list(given["kv_len"].meta["val"].shape) == [1], name


def test_the_backend_takes_a_method_as_one_delegate(tiny_checkpoint: Callable[[str], Path]) -> None:
    """In 4w and bfloat16, with the kernels that it has for them; the stepwise ones, which are compiled nowhere else."""
    stages = load_stages(
        Checkpoint(tiny_checkpoint("tiny-mtp")), Recipe(talker="4w"), Flavour(torch.bfloat16, kernels=True), 512
    )
    layers = {f"talker.layers.{layer}" for layer in range(3)}
    assert {name.rsplit(".", 2)[0] for name in stages.skipped} == layers  # inputs of 96 and 240
    names = ("talker", "code_predictor", "cp_head")
    compiled = NoKernels()
    with compiling_with(compiled, triton=True):
        lowered = lowering.lower(
            [method for method in build_methods(stages) if method.name in names], {}, lambda method, step: None
        )
    targets = [str(node.target) for module in compiled.modules for node in module.graph.nodes]
    assert targets.count("qwen3_tts_cuda.attention.default") == 5
    assert not [called for called in targets if "triton.sdpa" in called or "auto_functionalized" in called]
    for plan in lowered.executorch_program.execution_plan:
        assert [delegate.id for delegate in plan.delegates] == ["CudaBackend"], plan.name
        assert {operator.name for operator in plan.operators} == COPIES, plan.name


class Planted(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self.function = function
        self.weight = nn.Parameter(torch.randn(8, 8, 3), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x) + self.weight.sum()


def found(function: Callable[[Tensor], Tensor]) -> str:
    program = torch.export.export(Planted(function), (torch.randn(1, 8, 16),), strict=False)
    return "\n".join(problems(program))


def one_row(x: Tensor, kv_len: Tensor | None) -> Tensor:
    from executorch.backends.cuda.triton import kernels  # noqa: F401  (registers the operator)

    cache = x.repeat(1, 1, 40)[None].transpose(2, 3).bfloat16()
    attended = torch.ops.triton.sdpa_decode_splitk(cache[:, :, :1], cache, cache, kv_len=kv_len)
    return attended.float()[0].transpose(1, 2) + x


def attend(x: Tensor, dtype: torch.dtype, mask: Tensor) -> Tensor:
    q = x[None].to(dtype)
    return F.scaled_dot_product_attention(q, q, q, attn_mask=mask)[0].float()


def by_own_attention(x: Tensor, size: int) -> Tensor:
    cache, ones = torch.zeros(1, 1, 8, size), torch.ones(size)
    attended = attention(
        x.reshape(1, -1)[:, : 3 * size], ones, ones, cache, cache.clone(), ones, None, 0, None, 1, 1e-6
    )
    return attended.sum() + x


def by_own_draw(x: Tensor, vocabulary: int) -> Tensor:
    logits = x.reshape(1, -1).repeat(1, 40)[:, :vocabulary]
    _, row, _ = draw(logits.contiguous(), x[0, :1, :1], 0, x[0, :1, :3].contiguous(), torch.ones(8192, 4), 0, None)
    return row.sum() + x


WEIGHT = torch.ones(8, 8, 3)
VISIBLE = torch.ones(1, 1, 8, 8, dtype=torch.bool)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: F.conv_transpose1d(x, WEIGHT), "a transposed convolution"),
        (lambda x: F.conv1d(x, WEIGHT, dilation=2), "a dilated or grouped convolution"),
        (lambda x: x.cumsum(1), "aten::cumsum: Inductor hands it to libtorch"),
        (lambda x: x.sort(1)[0], "aten::sort: Inductor hands it to libtorch"),
        (lambda x: torch.linalg.inv(x[:, :, :8]), "Inductor hands it to libtorch"),
        (lambda x: x.double().exp().float(), "a float64 result"),
        (lambda x: attend(x, torch.float32, VISIBLE), "attention in torch.float32"),
        (lambda x: attend(x, torch.bfloat16, VISIBLE.bfloat16()), "an attention mask of torch.bfloat16"),
        (lambda x: attend(x, torch.bfloat16, VISIBLE[0, 0]), "an attention mask of torch.bool [8, 8]"),
        (lambda x: one_row(x, None), "attention of one row that reads all 640 slots of its cache: it needs kv_len"),
        (lambda x: x.expand(1, 8, 16).reshape(-1).repeat(40).topk(3)[0].sum() + x, "topk of 5120 values"),
        (lambda x: by_own_attention(x, 12), "heads of 12 numbers: the kernel takes a power of two"),
        (lambda x: by_own_draw(x, 5000), "draw: 5000 logits: the kernel takes at most 4096"),
        (lambda x: product(x[0].t()[:2], WEIGHT[..., 0], None, 0.0, None, None).sum() + x, "is not contiguous"),
    ],
)  # fmt: skip
def test_what_cannot_be_compiled_is_found(function: Callable[[Tensor], Tensor], message: str) -> None:
    assert message in found(function)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: F.conv1d(x, WEIGHT),
        lambda x: F.gelu(x).softmax(-1) @ x.transpose(1, 2) @ x,
        lambda x: attend(x, torch.bfloat16, VISIBLE),
        lambda x: one_row(x, torch.tensor([7])),
        lambda x: by_own_draw(x, 4000),
    ],
)
def test_what_can_be_compiled_is_not(function: Callable[[Tensor], Tensor]) -> None:
    assert found(function) == ""


def test_export_stops_before_the_compilation() -> None:
    method = Method("sing", Planted(lambda x: F.conv_transpose1d(x, WEIGHT)), (torch.randn(1, 8, 16),))
    with pytest.raises(ValueError, match="sing cannot be compiled for CUDA:\n  - a transposed convolution"):
        lowering.lower([method], {}, lambda name, step: None)


def int4_layer(outputs: int, bias: bool) -> tuple[Linear, Int4Linear]:
    linear = Linear(512, outputs, bias=bias)
    generator = torch.Generator().manual_seed(outputs)
    for parameter in linear.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return linear, Int4Linear(linear)


def test_the_contract_says_whether_layers_are_int4(tiny_checkpoint: Callable[[str], Path]) -> None:
    stages = load_stages(Checkpoint(tiny_checkpoint("tiny-mtp")), Recipe(talker="4w"), Flavour(torch.bfloat16), 512)

    def contract() -> dict[str, Any]:
        return cuda_contract(build_methods(stages), gpu_arch="sm_90", dtype="bf16", batch=1)

    assert contract()["int4"] is False  # no layer of so small a model fits
    stages.talker.add_module("one_that_fits", int4_layer(8, bias=False)[1])
    assert contract()["int4"] is True


def test_int4_weights_are_close_and_in_the_backends_layout() -> None:
    """Dequantized by the backend's own code they are the same, and as far from the weights as int4 is."""
    linear, narrow = int4_layer(96, bias=False)
    weight = narrow.dequantized().float()
    error = (weight - linear.weight).norm() / linear.weight.norm()
    assert 0.07 < error < 0.10
    x = torch.eye(512).bfloat16()
    from executorch.backends.cuda.quantize_op_dispatch.int4_dispatch import _dequant_matmul

    of_backend = _dequant_matmul(
        x, narrow.codes, narrow.scale_codes, narrow.scale_steps, narrow.zero_codes, narrow.zero_steps, 32
    )
    torch.testing.assert_close(of_backend.float().t(), weight, rtol=0.02, atol=0)


def test_int4_layer_is_captured_with_the_kernel_for_few_rows() -> None:
    linear, narrow = int4_layer(64, bias=True)
    for rows, calls in ((1, 1), (4, 1), (128, 0)):
        program = torch.export.export(narrow, (torch.randn(rows, 512),), strict=False)
        targets = [str(node.target) for node in program.graph.nodes]
        assert targets.count("executorch_cuda.int4_plain_mm.default") == calls
        assert problems(program) == []
    x = torch.randn(128, 512)
    error = (narrow(x) - linear(x)).norm() / linear(x).norm()
    assert error < 0.12


def test_only_whole_blocks_fit_int4() -> None:
    assert [fits_int4(Linear(inputs, 8)) for inputs in (64, 256, 320, 1024)] == [False, True, False, True]
