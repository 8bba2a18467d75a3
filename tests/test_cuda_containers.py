"""Captured programs, compiled for the CPU in fp32, against the modules they were captured from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

import gpu_check
from cuda_models import GROUPS, FewGroups
from cuda_without_gpu import SOON_COMPILED, compiling_with, slow_cpu_kernels
from qwen3_tts.export.cuda import libtorch, lowering
from qwen3_tts.export.cuda.containers import Containers
from qwen3_tts.export.cuda.linear import Int4Linear
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules, Speaker, Speech
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.stages.linear import Linear
from qwen3_tts.recipe import FLOAT

pytestmark = pytest.mark.slow

FP32 = Flavour(torch.float32, torch.float32)  # attention too: the CPU has no kernel that equals Triton's
COMPILED = ("encode_text", "codec_embed", "talker_prefill", "talker", "frame", "cp_generate", "decode_audio")
MAX_SEQ_LEN = 256
FRAMES = 6


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint: Callable[[str], Path]) -> FewGroups:
    return FewGroups(tiny_checkpoint("tiny-customvoice"))


@pytest.fixture(scope="module")
def containers(checkpoint: FewGroups, tmp_path_factory: pytest.TempPathFactory) -> Containers:
    """A real export but for the kernels, which are compiled for the CPU. Takes a minute or two."""
    stages = load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN)
    methods = [method for method in build_methods(stages) if method.name in COMPILED]
    folder = tmp_path_factory.mktemp("cuda")
    program, data = folder / "model.pte", folder / "model.ptd"
    with pytest.MonkeyPatch.context() as patch, compiling_with(slow_cpu_kernels, triton=False):
        patch.setattr(lowering, "check_programs", lambda programs, report: None)  # it wants bfloat16
        lowered = lowering.lower(methods, {"contract": "{}"}, lambda method, step: None)
    with program.open("wb") as file, data.open("wb") as weights:
        lowered.write_to_file(file)
        lowering.write_weights(lowered, weights)
    return Containers(program, data, folder, "cpu")


@pytest.fixture
def eager(checkpoint: FewGroups) -> Modules:
    return Modules(build_methods(load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN)))


def speech(checkpoint: FewGroups, methods: Containers | Modules, path: str, temperature: float) -> Speech:
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
    checkpoint: FewGroups, containers: Containers, eager: Modules, path: str, temperature: float
) -> None:
    compiled = speech(checkpoint, containers, path, temperature)
    expected = speech(checkpoint, eager, path, temperature)
    assert compiled.tokens == expected.tokens
    assert compiled.codes.tolist() == expected.codes.tolist()
    assert len({tuple(frame) for frame in compiled.codes.tolist()}) > 1


def test_samples_are_equal(checkpoint: FewGroups, containers: Containers, eager: Modules) -> None:
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


def test_every_tensor_is_a_stages(containers: Containers) -> None:
    """Constants without a name of their own are numbered in each library and would be shared by accident."""
    stages = {"talker", "code_predictor", "codec", "last", "text_embedding", "codec_embedding"}
    assert {name.split(".")[0] for name in containers.tensors} == stages


def test_caches_are_shared_by_name_and_no_further(containers: Containers) -> None:
    """What one stage stores is poisoned: the other says what it said before, and it itself does not."""
    hidden = containers.tensors["last.hidden"].shape[1]
    rows = torch.randn(128, hidden, generator=torch.Generator().manual_seed(1))
    row, position, count = rows[:1], torch.tensor([100]), torch.tensor([100])
    containers("talker_prefill", rows, torch.tensor([0]), count)

    def talker() -> torch.Tensor:
        return containers("talker", row, position)[0].clone()

    def codes() -> torch.Tensor:
        settings = torch.tensor([0.9, 50.0, 1.0])
        embedding = containers("cp_generate", row, torch.tensor([3]), torch.full((GROUPS - 1,), 0.5), settings)[1]
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


def test_report_of_the_gpu_check(checkpoint: FewGroups, containers: Containers, eager: Modules) -> None:
    """All of it but what only a GPU has, and that it finds a program which says something else."""

    def report() -> dict[str, Any]:
        return gpu_check.compare(containers, {"eager": eager}, checkpoint, "cpu", frames=4, rounds=1)

    good = report()
    assert good["parity"]["failed"] == []
    assert good["parity"]["equal_greedy_codes"] == 1
    assert set(good["compiled"]["methods"]) == set(good["eager"]["methods"]) == set(COMPILED[2:])
    assert set(good["compiled"]["speech"]) == {"frames", "ttfa_ms", "total_ms", "rtf"}
    head = containers.tensors["talker.head.weight"]
    head.neg_()
    bad = report()
    head.neg_()
    assert bad["parity"]["failed"] == ["same_argmax", "top5_overlap"]
    results = {"tiny": {"good": good, "bad": bad}}
    assert gpu_check.failures(results) == ["tiny bad: beyond its limit: same_argmax, top5_overlap"]


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
