"""The whole CUDA export but its kernels, and the check of what Inductor cannot compile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gpu_program
from cuda_models import GROUPS, FewGroups
from cuda_without_gpu import NoKernels, compiling_with
from qwen3_tts.export.cuda import lowering, target
from qwen3_tts.export.cuda.artifacts import CudaMethod, cuda_methods
from qwen3_tts.export.cuda.containers import DataFile
from qwen3_tts.export.cuda.linear import Int4Linear, fits_int4
from qwen3_tts.export.cuda.program import write_cuda_program
from qwen3_tts.export.cuda.static_check import problems
from qwen3_tts.export.manifest import ProgramFile
from qwen3_tts.export.methods import Method
from qwen3_tts.export.stages.linear import Linear
from qwen3_tts.recipe import Recipe
from runner_program import call

pytestmark = pytest.mark.slow

COPIES = {"et_copy::_h2d_copy", "et_copy::_d2h_copy"}
MADE_WITH = {"gpu": "none", "cuda": "none", "triton": "none"}
STATE = (".keys", ".values", ".past", "last.logits", "last.hidden")


@dataclass(frozen=True)
class Export:
    path: Path
    manifest: dict[str, Any]
    modules: dict[str, torch.fx.GraphModule]  # what was to be compiled
    methods: dict[str, CudaMethod]


@pytest.fixture(scope="module")
def made(tiny_checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Export:
    """A real export in 4w of the first code groups of a tiny checkpoint, without kernels. Takes a minute."""
    path = tmp_path_factory.mktemp("cuda") / "model.pte"
    flags = {"backend": "cuda", "dtype": "bf16", "gpu_arch": "sm_90", "max_seq_len": gpu_program.MAX_SEQ_LEN}
    checkpoint = FewGroups(tiny_checkpoint("tiny-customvoice"))
    compiled, names = NoKernels(), []  # type: tuple[NoKernels, list[str]]
    with (
        pytest.MonkeyPatch.context() as patch,
        compiling_with(compiled, triton=True),
        lowering.watch_compilation(names.append),
    ):
        patch.setattr(target, "versions", lambda: MADE_WITH)
        manifest = write_cuda_program(
            checkpoint,
            Recipe(talker="4w"),
            gpu_program.constants(checkpoint),
            path,
            flags,
            lambda method, step: None,
        )
    return Export(path, manifest, dict(zip(names, compiled.modules)), cuda_methods(ProgramFile(path)))


def test_one_delegate_a_method_and_only_copies_outside(made: Export) -> None:
    methods = made.manifest["methods"]
    assert len(methods) == 9
    for name, method in methods.items():
        assert method["delegates"] == 1, name
        assert set(method["operators"]) == COPIES, name


def test_signatures(made: Export) -> None:
    """A runner's view: only what changes from call to call, all of it in fp32 or int64, no caches."""
    methods = made.manifest["methods"]
    assert methods["talker_prefill"]["inputs"] == ["float[128, 64]", "long[1]", "long[1]"]
    assert methods["talker"]["outputs"] == ["float[1, 1280]", "float[1, 64]"]
    vectors = ["float[1280]", "float[1280]", f"float[{GROUPS}]", "float[6]"]
    assert methods["frame"]["inputs"] == ["float[1, 64]", "long[1]", *vectors]
    assert methods["frame"]["outputs"] == [f"long[{GROUPS}]"]
    assert methods["decode_audio"]["inputs"] == [f"long[1, {GROUPS}]", "long[1]"]
    assert methods["encode_text"]["inputs"] == ["long[<=128]"]


def test_state_is_written_inside_the_delegates(made: Export) -> None:
    written = {name: written_buffers(module) for name, module in made.modules.items()}
    talker = {f"talker.layers.{layer}.attention.{part}" for layer in range(3) for part in ("keys", "values")}
    predictor = {f"code_predictor.layers.{layer}.attention.{part}" for layer in range(2) for part in ("keys", "values")}
    last = {"last.logits", "last.hidden"}
    assert written["talker"] == written["talker_prefill"] == talker | last
    assert written["frame"] == talker | predictor | last
    assert written["cp_generate"] == written["code_predictor"] == predictor
    assert {name.rsplit(".", 1)[1] for name in written["decode_audio"]} == {"keys", "values", "past"}
    assert all(name.startswith("codec.") for name in written["decode_audio"])
    assert written["encode_text"] == written["codec_embed"] == written["cp_head"] == set()


def test_a_runner_without_cuda_says_so(made: Export, runner: Path, tmp_path: Path) -> None:
    """Its file and its methods are read; the GPU is what is missing."""
    done = call(runner, model_path=made.path, text="Hello.", speaker="ryan", output_wav=tmp_path / "a.wav")
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "is for NVIDIA GPUs of architecture sm_90, and this program was built without CUDA" in said
    assert "--backend xnnpack" in said
    info = call(runner, model_path=made.path, info=True).stdout.decode()
    assert "NVIDIA GPUs of sm_90" in info
    assert "frame\n      (float[1, 64], long[1], float[1280], float[1280]" in info


def written_buffers(module: torch.fx.GraphModule) -> set[str]:
    return {
        str(node.args[0].target)
        for node in module.graph.nodes
        if node.op == "call_function" and "copy_" in str(node.target) and node.args[0].op == "get_attr"
    }


def test_attention_is_the_backends_kernel(made: Export) -> None:
    for name, calls in (("talker", 3), ("frame", 3 + 2 * (GROUPS - 1)), ("code_predictor", 2), ("decode_audio", 0)):
        targets = [str(node.target) for node in made.modules[name].graph.nodes]
        assert sum(called.startswith("triton.sdpa") for called in targets) == calls, name
        assert not [called for called in targets if "scaled_dot_product" in called], name


def test_every_tensor_is_stored_once_under_one_name(made: Export) -> None:
    """Methods share by name: one name must mean one tensor, and what is not a stage's would be shared by accident."""
    sizes: dict[str, tuple[int, ...]] = {}
    for method in made.methods.values():
        for tensor in method.tensors:
            assert tensor.name.split(".")[0] in (
                "talker", "code_predictor", "codec", "last", "text_embedding", "codec_embedding"
            )  # fmt: skip
            assert sizes.setdefault(tensor.storage, tensor.sizes) == tensor.sizes
    stored = {tensor.storage: tensor.bytes for method in made.methods.values() for tensor in method.tensors}
    assert made.manifest["weights"] == {"stored": len(stored), "libraries": 9}
    data = made.path.with_suffix(".ptd")
    assert DataFile(data).names == set(stored)
    # Equal ones, such as empty caches, are one run of bytes; a second copy of anything would not fit.
    assert data.stat().st_size < sum(stored.values())
    assert made.manifest["data"]["file"] == data.name


def test_state_is_shared_between_methods_by_name(made: Export) -> None:
    state = {
        name: {tensor.storage for tensor in method.tensors if tensor.name.endswith(STATE)}
        for name, method in made.methods.items()
    }
    assert state["talker"] == state["talker_prefill"]
    assert state["frame"] == state["talker"] | state["cp_generate"]
    assert not state["talker"] & state["cp_generate"]
    assert not state["decode_audio"] & state["frame"]


def test_manifest_says_for_which_gpu_and_what_is_not_int4(made: Export) -> None:
    assert made.manifest["flags"]["gpu_arch"] == "sm_90"
    assert made.manifest["versions"].items() >= MADE_WITH.items()
    layers = {f"talker.layers.{layer}" for layer in range(3)}
    assert {name.rsplit(".", 2)[0] for name in made.manifest["not_int4"]} == layers  # inputs of 64 and 160
    cuda = ProgramFile(made.path).constant("cuda")
    static = [name for name in made.modules if name not in ("encode_text", "codec_embed")]
    assert sorted(json.loads(cuda).pop("static_methods")) == sorted(static)


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


def attend(x: Tensor, dtype: torch.dtype, mask: Tensor) -> Tensor:
    q = x[None].to(dtype)
    return F.scaled_dot_product_attention(q, q, q, attn_mask=mask)[0].float()


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
        (lambda x: x.expand(1, 8, 16).reshape(-1).repeat(40).topk(3)[0].sum() + x, "topk of 5120 values"),
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
