"""The whole CUDA export with kernels for the CPU in fp32: what its files hold, and that they say what modules say."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import gpu_parity
import gpu_program
import gpu_speech
import gpu_timing
from cuda_models import GROUPS, SmallerCheckpoint
from cuda_without_gpu import Kept
from qwen3_tts.export.cuda import libtorch, lowering, program, target
from qwen3_tts.export.cuda.artifacts import CudaMethod, cuda_methods
from qwen3_tts.export.cuda.containers import Containers, DataFile
from qwen3_tts.export.cuda.linear import Int4Linear
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules, Speaker, Speech
from qwen3_tts.export.cuda.stages import Flavour, Stages, load_stages
from qwen3_tts.export.manifest import ProgramFile
from qwen3_tts.export.methods import Method
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.stages.linear import Linear
from qwen3_tts.recipe import FLOAT
from runner_program import call
from without_gpu import SOON_COMPILED, compiling_with, slow_cpu_kernels

pytestmark = pytest.mark.slow

FP32 = Flavour(torch.float32, torch.float32)  # attention too: a CPU runs no Triton kernels
STEPWISE = ("code_predictor", "cp_head")  # test_cuda_lowering.py has these, uncompiled
METHODS = 8
MAX_SEQ_LEN = 256
FRAMES = 6
COPIES = {"et_copy::_h2d_copy", "et_copy::_d2h_copy"}
MADE_WITH = {"gpu": "none", "cuda": "none", "triton": "none"}
STATE = (".keys", ".values", ".past", "last.embedding", "last.seen")
STAGES = {"talker", "code_predictor", "codec", "last", "text_embedding", "codec_embedding"}


@dataclass(frozen=True)
class Export:
    path: Path
    manifest: dict[str, Any]
    modules: dict[str, torch.fx.GraphModule]  # what was to be compiled
    methods: dict[str, CudaMethod]


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> SmallerCheckpoint:
    return SmallerCheckpoint(tiny_checkpoint("tiny-customvoice"))


def some_methods(stages: Stages) -> list[Method]:
    return [method for method in build_methods(stages) if method.name not in STEPWISE]


@pytest.fixture(scope="module")
def made(checkpoint: SmallerCheckpoint, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """A real export but for the kernels, which are compiled for the CPU. Takes two minutes."""
    path = tmp_path_factory.mktemp("cuda") / "model.pte"
    flags = {"backend": "cuda", "dtype": "fp32", "gpu_arch": "sm_90", "max_seq_len": MAX_SEQ_LEN, "batch": None}
    compiled, names = Kept(slow_cpu_kernels), []  # type: tuple[Kept, list[str]]
    with (
        pytest.MonkeyPatch.context() as patch,
        compiling_with(compiled, triton=False),
        lowering.watch_compilation(names.append),
    ):
        patch.setattr(target, "versions", lambda: MADE_WITH)
        patch.setattr(program, "Flavour", lambda dtype, kernels: replace(FP32, dtype=dtype))
        patch.setattr(lowering, "check_programs", lambda programs, report: None)  # it wants bfloat16
        patch.setattr(program, "build_methods", some_methods)
        constants = gpu_program.constants(checkpoint)
        manifest = program.write_cuda_program(checkpoint, FLOAT, constants, path, flags, lambda method, step: None)
    return Export(path, manifest, dict(zip(names, compiled.modules)), cuda_methods(ProgramFile(path)))


@pytest.fixture(scope="module")
def containers(made: Export) -> Containers:
    return Containers(made.path, made.path.with_suffix(".ptd"), made.path.parent, "cpu")


@pytest.fixture
def eager(checkpoint: SmallerCheckpoint) -> Modules:
    return Modules(build_methods(load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN)))


def test_one_delegate_a_method_and_only_copies_outside(made: Export) -> None:
    methods = made.manifest["methods"]
    assert len(methods) == METHODS
    for name, method in methods.items():
        assert method["delegates"] == 1, name
        assert set(method["operators"]) == COPIES, name


def test_signatures(made: Export) -> None:
    """A runner's view: only what changes from call to call, all of it in fp32 or int64, no caches."""
    methods = made.manifest["methods"]
    assert methods["talker_prefill"]["inputs"] == ["float[128, 64]", "long[1]", "long[1]", "long[1]"]
    assert methods["talker"]["outputs"] == ["float[1, 1280]", "float[1, 64]"]
    assert methods["frame"]["inputs"] == [f"float[1, {64 + GROUPS + 10}]"]
    assert methods["frame"]["outputs"] == [f"long[1, {GROUPS}]"]
    assert methods["decode_audio"]["inputs"] == [f"long[1, {GROUPS}]", "long[1]", "long[1]"]
    assert methods["decode_chunk"]["inputs"] == [f"long[4, {GROUPS}]", "long[4]", "long[1]"]
    assert methods["encode_text"]["inputs"] == ["long[<=128]"]


def test_state_is_written_inside_the_delegates(made: Export) -> None:
    written = {name: written_buffers(module) for name, module in made.modules.items()}
    talker = {f"talker.layers.{layer}.attention.{part}" for layer in range(2) for part in ("keys", "values")}
    predictor = {f"code_predictor.layers.0.attention.{part}" for part in ("keys", "values")}
    last = {"last.embedding", "last.seen"}
    assert written["talker"] == written["talker_prefill"] == talker
    assert written["frame"] == talker | predictor | last
    assert written["cp_generate"] == predictor | last
    assert written["decode_chunk"] == written["decode_audio"]
    assert {name.rsplit(".", 1)[1] for name in written["decode_audio"]} == {"keys", "values", "past"}
    assert all(name.startswith("codec.") for name in written["decode_audio"])
    assert written["encode_text"] == written["codec_embed"] == set()


def test_a_runner_without_cuda_says_so(made: Export, runner: Path, tmp_path: Path) -> None:
    """Its file and its methods are read; the GPU is what is missing."""
    done = call(runner, model_path=made.path, text="Hello.", speaker="ryan", output_wav=tmp_path / "a.wav")
    assert done.returncode == 1
    said = done.stderr.decode()
    assert "is for NVIDIA GPUs of architecture sm_90, and this program was built without CUDA" in said
    assert "--backend xnnpack" in said
    info = call(runner, model_path=made.path, info=True).stdout.decode()
    assert "NVIDIA GPUs of sm_90" in info
    assert f"frame\n      (float[1, {64 + GROUPS + 10}])" in info


def written_buffers(module: torch.fx.GraphModule) -> set[str]:
    return {
        str(node.args[0].target)
        for node in module.graph.nodes
        if node.op == "call_function" and "copy_" in str(node.target) and node.args[0].op == "get_attr"
    }


def test_every_tensor_is_stored_once_under_one_name(made: Export) -> None:
    """Methods share by name: one name must mean one tensor, and what is not a stage's would be shared by accident."""
    sizes: dict[str, tuple[int, ...]] = {}
    for method in made.methods.values():
        for tensor in method.tensors:
            assert tensor.name.split(".")[0] in STAGES
            assert sizes.setdefault(tensor.storage, tensor.sizes) == tensor.sizes
    stored = {tensor.storage: tensor.bytes for method in made.methods.values() for tensor in method.tensors}
    assert made.manifest["weights"] == {"stored": len(stored), "libraries": METHODS}
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
    assert state["decode_audio"] == state["decode_chunk"]
    assert not state["decode_audio"] & state["frame"]


def test_manifest_says_for_which_gpu(made: Export) -> None:
    assert made.manifest["flags"]["gpu_arch"] == "sm_90"
    assert made.manifest["versions"].items() >= MADE_WITH.items()
    cuda = ProgramFile(made.path).constant("cuda")
    static = [name for name in made.modules if name not in ("encode_text", "codec_embed")]
    assert sorted(json.loads(cuda).pop("static_methods")) == sorted(static)
    assert not json.loads(cuda).pop("int4")


def speech(checkpoint: SmallerCheckpoint, methods: Containers | Modules, path: str, temperature: float) -> Speech:
    speaker = Speaker(checkpoint.config, checkpoint.tokenizer_json, methods)
    prompt = speaker.prompt(Request("Hello, containers.", speaker="ryan", language="english"))
    options = replace(
        checkpoint.config.sampling,
        temperature=temperature,
        subtalker_temperature=temperature,
        max_new_tokens=FRAMES + 1,
    )
    spoken: Speech = getattr(speaker, path)(prompt, options, seed=7)
    assert len(spoken.codes) == FRAMES
    return spoken


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("path", ["frames", "frames_by_two_methods"])
def test_tokens_are_equal(
    checkpoint: SmallerCheckpoint, containers: Containers, eager: Modules, path: str, temperature: float
) -> None:
    compiled = speech(checkpoint, containers, path, temperature)
    expected = speech(checkpoint, eager, path, temperature)
    assert compiled.tokens == expected.tokens
    assert compiled.codes.tolist() == expected.codes.tolist()
    assert len({tuple(frame) for frame in compiled.codes.tolist()}) > 1


def test_samples_are_equal(checkpoint: SmallerCheckpoint, containers: Containers, eager: Modules) -> None:
    """More frames than the codec's window of 8, twice: the second utterance must not hear the first."""
    codes = torch.randint(0, 256, (12, GROUPS), generator=torch.Generator().manual_seed(0))
    first, second, expected = (
        Speaker(checkpoint.config, checkpoint.tokenizer_json, methods).decode(codes)
        for methods in (containers, containers, eager)
    )
    assert torch.equal(first, second)
    torch.testing.assert_close(first, expected, rtol=0, atol=1e-5)


def caches(containers: Containers, stage: str) -> list[torch.Tensor]:
    return [
        tensor
        for name, tensor in containers.tensors.items()
        if name.startswith(f"{stage}.") and name.endswith((".keys", ".values"))
    ]


def test_caches_are_shared_by_name_and_no_further(containers: Containers) -> None:
    """What one stage stores is poisoned: the other says what it said before, and it itself does not."""
    hidden = containers.tensors["last.embedding"].shape[1]
    rows = torch.randn(128, hidden, generator=torch.Generator().manual_seed(1))
    row, position, count, slot = rows[:1], torch.tensor([100]), torch.tensor([100]), torch.tensor([0])
    containers("talker_prefill", rows, torch.tensor([0]), count, slot)

    def talker() -> torch.Tensor:
        return containers("talker", row, position, slot)[0].clone()

    def codes() -> torch.Tensor:
        settings = torch.tensor([0.9, 50.0, 1.0])
        uniforms = torch.full((GROUPS - 1,), 0.5)
        embedding = containers("cp_generate", row, torch.tensor([3]), uniforms, settings, slot)[1]
        return embedding.clone()

    said, generated = talker(), codes()
    assert caches(containers, "code_predictor")
    for cache in caches(containers, "code_predictor"):
        cache.fill_(1e4)
    assert torch.equal(talker(), said)
    assert torch.equal(codes(), generated)  # it stores every position before it reads it
    for cache in caches(containers, "talker"):
        cache[:, :, :50] = -cache[:, :, :50]
    assert torch.equal(codes(), generated)
    assert not torch.allclose(talker(), said)


def test_report_of_speech(
    checkpoint: SmallerCheckpoint, containers: Containers, eager: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it but what only a GPU has, and that parity finds a program which says something else."""
    monkeypatch.setattr(gpu_timing, "WARM_UP", 0)
    good = gpu_speech.compare(containers, eager, checkpoint, "cpu", frames=2, rounds=1)
    assert good["parity"]["failed"] == []
    assert good["parity"]["equal_greedy_codes"] == 1
    timed = {"talker_prefill", "talker", "frame", "cp_generate", "decode_audio", "decode_chunk"}
    assert set(good["compiled"]["methods"]) == set(good["eager"]["methods"]) == timed
    assert set(good["compiled"]["speech"]) == {"frames", "ttfa_ms", "total_ms", "rtf"}
    head = containers.tensors["talker.head.weight"]
    head.neg_()
    compiled, expected = (
        Speaker(checkpoint.config, checkpoint.tokenizer_json, methods) for methods in (containers, eager)
    )
    prompt = expected.prompt(gpu_speech.request_for(checkpoint))
    bad = gpu_parity.parity(compiled, expected, prompt, checkpoint.config.sampling, frames=1)
    head.neg_()
    assert bad["failed"] == ["same_argmax", "top5_overlap"]


def test_int4_layers_run_without_the_runtimes_kernel(tmp_path: Path) -> None:
    """The stand-in that gpu-check gives to libraries with int4 layers, compiled for the CPU under its name there."""
    libtorch.provide(tmp_path, "cpu")
    layer = Int4Linear(Linear(512, 64))
    x = torch.randn(1, 512, generator=torch.Generator().manual_seed(2))
    handles = ", ".join(["AtenTensorHandle"] * 6)
    options: dict[str, Any] = SOON_COMPILED | {
        "aot_inductor.output_path": str(tmp_path / "layer.so"),
        "aot_inductor.custom_ops_to_c_shims": {
            torch.ops.executorch_cuda.int4_plain_mm.default: [
                f"AOTITorchError aoti_torch_cpu_int4_plain_mm({handles}, int64_t, AtenTensorHandle*)"
            ]
        },
    }
    program = torch.export.export(layer, (x,), strict=False)
    library: Any = torch._inductor.aot_compile(program.module(), (x,), options=options)
    (made,) = torch._C._aoti.AOTIModelContainerRunnerCpu(library, 1).run([x])
    expected = F.linear(x.bfloat16(), layer.dequantized()).float() + layer.bias
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-2)
    assert made.std() > 0.1
