"""The project's own Triton kernels: their arithmetic, their code for a GPU, and speech with their definitions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton")  # made for Linux

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from cuda_launches import count
from cuda_models import GROUPS, SmallerCheckpoint
from qwen3_tts.export.cuda.in_place import FUNCTIONAL, write_in_place
from qwen3_tts.export.cuda.kernels.attention import attention
from qwen3_tts.export.cuda.kernels.attention_kernel import attention_kernel
from qwen3_tts.export.cuda.kernels.draw_kernel import draw_kernel
from qwen3_tts.export.cuda.kernels.rows_kernel import rows_kernel
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules, Speaker
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.cuda.static_check import problems
from qwen3_tts.export.lowering import export_methods
from qwen3_tts.export.prompt import Request
from qwen3_tts.recipe import FLOAT, Recipe
from qwen3_tts.sampling import NOTHING_TO_DRAW

pytestmark = pytest.mark.slow

SM_90 = GPUTarget("cuda", 90, 32)
AROUND = 10  # launches of a frame that are Inductor's own: its input, the final norm, penalties, what it leaves


@pytest.fixture(scope="module")
def interpreted() -> dict[str, Any]:
    tests = Path(__file__).parent
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": str(tests.parent)}
    program = tests / "interpreted_kernels.py"
    done = subprocess.run([sys.executable, program], env=environment, stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize("kind", ["products", "attention", "attention of many"])
def test_kernels_compute_what_defines_them(interpreted: dict[str, Any], kind: str) -> None:
    assert len(interpreted[kind]) >= 4
    assert {name: error for name, error in interpreted[kind].items() if error > 1e-5} == {}


def test_kernel_draws_what_the_runner_draws(interpreted: dict[str, Any]) -> None:
    drawn = interpreted["draws"]
    assert len({code for code, _ in drawn}) > 20
    assert [code for code, _ in drawn] == [expected for _, expected in drawn]
    assert interpreted["settled"]
    drawn, expected = interpreted["draws of many"]
    assert drawn == expected
    assert len(set(drawn)) > 3 and drawn[4] == NOTHING_TO_DRAW


def test_a_row_depends_on_no_other(interpreted: dict[str, Any]) -> None:
    """To the last bit."""
    assert set(interpreted["neighbours"]) == {"product", "gated product", "attention", "draw"}
    assert {name for name, is_same in interpreted["neighbours"].items() if not is_same} == set()


def test_kernels_are_code_for_sm_90() -> None:
    """At the sizes of a published model, down to the machine code."""
    sizes: dict[str, Any] = {
        "KV_HEADS": 8, "GROUP": 2, "GROUP_BLOCK": 2, "D": 128, "HAS_POSITION": True, "HAS_SLOT": False,
        "ROWS": 2, "UTTERANCES": 1, "SPLITS": 1, "BLOCK": 16,
    }  # fmt: skip
    types = dict.fromkeys(("qkv", "q_norm", "k_norm", "frequencies", "out", "peaks", "totals"), "*fp32")
    types |= {"keys": "*bf16", "values": "*bf16", "position": "*i64", "slot": "*i64"}
    types |= {"offset": "i32", "places": "i32", "eps": "fp32", "scale": "fp32"}
    assert code_of(attention_kernel, types, sizes)
    sizes = {
        "BLOCK_V": 2048,
        "BLOCK_H": 1024,
        "HAS_TOTAL": True,
        "NOTHING_TO_DRAW": -1,
        "UTTERANCES": 1,
        "UNIFORMS": 16,
    }
    types = dict.fromkeys(("logits", "uniforms", "sampling", "total", "row_out", "total_out"), "*fp32")
    types |= {"table": "*bf16", "code_out": "*i64", "index": "i32", "first_row": "i32", "V": "i32", "H": "i32"}
    assert code_of(draw_kernel, types, sizes)


def test_products_of_a_batch_are_code_for_sm_90() -> None:
    """Of the code predictor's first pass, where each of 32 utterances has two rows: gate and up, the largest."""
    sizes = {
        "ROWS": 64, "K": 1024, "BLOCK_M": 64, "BLOCK_N": 16, "BLOCK_K": 128,
        "HAS_NORM": True, "HAS_BIAS": False, "HAS_RESIDUAL": False, "GATED": True,
    }  # fmt: skip
    types = dict.fromkeys(("x", "norm", "residual", "out"), "*fp32")
    types |= {"weight": "*bf16", "bias": "*bf16", "eps": "fp32", "N": "i32"}
    assert code_of(rows_kernel, types, sizes)


def code_of(kernel: Any, types: dict[str, str], sizes: dict[str, Any], form: str = "cubin") -> Any:
    signature = {name: "constexpr" if name in sizes else types[name] for name in kernel.arg_names}
    return compile(ASTSource(kernel, signature=signature, constexprs=sizes), target=SM_90).asm[form]


def test_launches_of_a_frame(tiny_checkpoint: Callable[[str], Path]) -> None:
    """In bfloat16, as many as the kernels have to be, and no copy of a cache between them."""
    talker = predictor = 1  # layers
    checkpoint = SmallerCheckpoint(tiny_checkpoint("tiny-customvoice"), layers=(talker, predictor, 1))
    stages = load_stages(checkpoint, Recipe(), Flavour(torch.bfloat16, kernels=True), 512)
    methods = [method for method in build_methods(stages) if method.name == "frame"]
    with torch.no_grad():
        program = export_methods(methods, lambda method, step: None)["frame"]
    assert problems(program) == []
    launches = count(program)
    steps = GROUPS - 1
    of_kernels = {
        "product_kernel": 4 * (talker + steps * predictor) + 1 + steps,  # and the heads
        "attention_kernel": talker + steps * predictor,
        "merge_kernel": talker,
        "draw_kernel": 1 + steps,
        "settle_kernel": 3,
    }
    found = {kernel: sum(launches[name] for name in launches if name.startswith(kernel)) for kernel in of_kernels}
    assert found == of_kernels
    assert launches.total() - sum(found.values()) <= AROUND


class Writing(nn.Module):
    """Stores two rows, and reads the cache between that."""

    keys: Tensor
    values: Tensor
    ones: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("keys", "values"):
            self.register_buffer(name, torch.zeros(1, 2, 16, 16))
        self.register_buffer("ones", torch.ones(16))

    def forward(self, qkv: Tensor) -> Tensor:
        given = (self.ones, self.ones, self.keys, self.values, self.ones[:8], None)
        y = attention(qkv, *given, 0, None, 1, 1e-6)
        between = self.keys.sum()
        y = y + attention(torch.cat([y, y], 1), *given, 1, None, 1, 1e-6)
        return y + between


def functional(module: nn.Module, qkv: Tensor) -> Any:
    return torch.export.export(module, (qkv,), strict=False).run_decompositions({}).module()


def test_caches_are_written_in_place() -> None:
    qkv = torch.randn(1, 128, generator=torch.Generator().manual_seed(1))
    plain, opened = Writing(), functional(Writing(), qkv)
    write_in_place(opened)
    assert "auto_functionalized" not in opened.code
    assert torch.equal(opened(qkv), plain(qkv))
    assert torch.equal(opened.keys, plain.keys)
    assert opened.keys[:, :, :2].abs().min() > 0


def test_a_cache_that_is_read_too_late_is_refused() -> None:
    module = functional(Writing(), torch.randn(1, 128))
    between = next(node for node in module.graph.nodes if node.target == torch.ops.aten.sum.default)
    last = [node for node in module.graph.nodes if node.target == FUNCTIONAL][-1]
    last.append(between)
    with pytest.raises(ValueError, match=r"sum_1 reads keys as it was before qwen3_tts_cuda\.attention\.default"):
        write_in_place(module)


def test_definitions_speak_as_the_plain_modules(tiny_checkpoint: Callable[[str], Path]) -> None:
    """With a projection in front of the code predictor."""
    checkpoint = SmallerCheckpoint(tiny_checkpoint("tiny-mtp"))
    flavour = Flavour(torch.float32, torch.float32)
    speakers = [
        Speaker(
            checkpoint.config,
            checkpoint.tokenizer_json,
            Modules(build_methods(load_stages(checkpoint, FLOAT, replace(flavour, kernels=kernels), 512))),
        )
        for kernels in (False, True)
    ]
    options = replace(checkpoint.config.sampling, temperature=0.9, subtalker_temperature=0.9, max_new_tokens=9)
    plain, own = (speaker.frames(speaker.prompt(Request("By kernels.")), options, seed=3) for speaker in speakers)
    assert own.tokens == plain.tokens
    assert own.codes.tolist() == plain.codes.tolist()
    assert len({tuple(frame) for frame in own.codes.tolist()}) > 1
