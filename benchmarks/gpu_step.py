#!/usr/bin/env python3
"""One step of gpu_check.py, in a process of its own: what it finds is one JSON object.

machine         versions, the card and how fast its memory is
eager           the method in PyTorch, with --graph as a CUDA graph of that, too
export          the method lowered and compiled, into --folder
compiled        the compiled method against the one in PyTorch, its times and kernels
torch_compile   the method through torch.compile, with the CUDA graphs of that
speech          the whole program: exported, spoken by from Python and from C++ (gpu_speech.py)

On a CPU ("--device cpu") it is the same in fp32, with kernels for that CPU: a rehearsal.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported

import torch

import gpu_bytes
import gpu_parity
import gpu_timing
from gpu_models import RandomCheckpoint
from machine import machine
from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.export.cuda import target
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.methods import Method
from qwen3_tts.recipe import Recipe

RECIPES = {"bf16": Recipe(), "4w": Recipe(talker="4w")}
MAX_SEQ_LEN = 2560
# For the measurement alone: the kernels are the same, but for one kind of GPU, and the code that launches them is
# compiled in a quarter of the time, which a CUDA graph does not run.
SOON_COMPILED = {"aot_inductor.emit_multi_arch_kernel": False, "aot_inductor.compile_wrapper_opt_level": "O0"}


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--output", type=Path, required=True, help="the JSON file")
    parser.add_argument("--folder", type=Path, required=True, help="of what `export` makes and `compiled` needs")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--size", default="tiny-customvoice")
    parser.add_argument("--variant", choices=RECIPES, default="bf16")
    parser.add_argument("--method")
    parser.add_argument("--groups", type=int)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--frames", type=int, default=64)
    parser.add_argument("--runner", type=Path)
    parser.add_argument("--graph", action="store_true")
    return parser.parse_args(arguments)


def methods_of(args: argparse.Namespace, *, kernels: bool = False) -> tuple[RandomCheckpoint, list[Method]]:
    """All methods, of which those are let go that are not wanted, and their weights with them.

    kernels: with the project's own, as a program has them on a GPU; without, they are what that is compared with.
    """
    checkpoint = RandomCheckpoint(args.size, args.groups, args.layers)
    on_cpu = args.device == "cpu"
    flavour = Flavour(torch.float32, torch.float32) if on_cpu else Flavour(torch.bfloat16, kernels=kernels)
    methods = build_methods(load_stages(checkpoint, RECIPES[args.variant], flavour, MAX_SEQ_LEN, args.batch))
    return checkpoint, [method for method in methods if method.name == args.method]


def of_machine(args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"machine": machine(), "torch": torch.__version__}
    if args.device == "cuda":
        found |= {"arch": target.architecture(), **target.versions()}
    return found | {"copy_gb_per_s": gpu_timing.copy_gb_per_second(args.device, args.rounds)}


def eager(args: argparse.Namespace) -> dict[str, Any]:
    register_int4()
    checkpoint, methods = methods_of(args)
    call = Modules(methods, args.device)
    measured = (call, args.method, gpu_timing.example_inputs(checkpoint.config, args.device, batch=args.batch))
    times = gpu_timing.method_time(*measured, args.device, args.rounds, args.graph)
    times |= of_weights(checkpoint, methods)
    return times | with_memory(args.device) | gpu_timing.kernels_of(*measured, args.device)


def torch_compile(args: argparse.Namespace) -> dict[str, Any]:
    """It replays CUDA graphs of its own, so no graph of it can be captured."""
    register_int4()
    checkpoint, methods = methods_of(args)
    weights = of_weights(checkpoint, methods)
    call = Modules(methods, args.device)
    call.modules = {
        name: torch.compile(module, mode="reduce-overhead")  # type: ignore[misc]
        for name, module in call.modules.items()
    }
    inputs = gpu_timing.example_inputs(checkpoint.config, args.device, batch=args.batch)
    return weights | gpu_timing.method_time(call, args.method, inputs, args.device, args.rounds, False)


def export(args: argparse.Namespace) -> dict[str, Any]:
    from qwen3_tts.export.cuda import lowering

    _, methods = methods_of(args, kernels=True)
    clock = Clock()
    with compilation(args.device):
        lowered = lowering.lower(methods, {}, clock)
    program, data = paths(args)
    clock("", "write")
    with AtomicOutput(data) as weights, AtomicOutput(program) as file:
        lowering.write_weights(lowered, weights)
        lowered.write_to_file(file)
    clock("", "end")
    sizes = {"program_mb": program.stat().st_size / 1e6, "weights_mb": data.stat().st_size / 1e6}
    return {"seconds": clock.seconds, **sizes}


class Clock:
    """A Report that keeps how long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.step, self.begun = "load", time.monotonic()

    def __call__(self, method: str, step: str) -> None:
        now = time.monotonic()
        self.seconds[self.step] = self.seconds.get(self.step, 0.0) + now - self.begun
        self.step, self.begun = step, now


def paths(args: argparse.Namespace) -> tuple[Path, Path]:
    """Of a method's program and its weights."""
    stem = f"{args.size}-{args.variant}-{args.method}"
    return args.folder / f"{stem}.pte", args.folder / f"{stem}.ptd"


@contextmanager
def compilation(device: str) -> Iterator[None]:
    from executorch.backends.cuda.cuda_backend import CudaBackend

    from qwen3_tts.export.cuda import lowering

    options: Callable[[Any], dict[str, Any]] = CudaBackend.get_aoti_compile_options
    with ExitStack() as stack:
        if device == "cuda":
            soon = patch.object(CudaBackend, "get_aoti_compile_options", lambda specs: options(specs) | SOON_COMPILED)
            stack.enter_context(soon)
        else:
            from without_gpu import compiling_with, slow_cpu_kernels

            stack.enter_context(compiling_with(slow_cpu_kernels, triton=False))
            # It wants bfloat16, which a CPU rounds otherwise.
            stack.enter_context(patch.object(lowering, "check_programs", lambda programs, report: None))
        yield


def compiled(args: argparse.Namespace) -> dict[str, Any]:
    from qwen3_tts.export.cuda.containers import Containers

    register_int4()
    checkpoint, methods = methods_of(args)
    config = checkpoint.config
    with tempfile.TemporaryDirectory() as folder:
        call = Containers(*paths(args), Path(folder), args.device)
        found: dict[str, Any] = {
            "parity": gpu_parity.method_parity(call, Modules(methods, args.device), args.method, config, args.batch)
        }
        measured = (call, args.method, gpu_timing.example_inputs(config, args.device, batch=args.batch))
        found |= gpu_timing.method_time(*measured, args.device, args.rounds, True) | of_weights(checkpoint, methods)
        return found | with_memory(args.device) | gpu_timing.kernels_of(*measured, args.device)


def speech(args: argparse.Namespace) -> dict[str, Any]:
    import gpu_speech

    return gpu_speech.check(args.size, args.variant, args.runner, args.frames, args.rounds)


def register_int4() -> None:
    """The operator that int4 layers call, which ExecuTorch defines."""
    import executorch.backends.cuda.quantize_op_dispatch  # noqa: F401


def of_weights(checkpoint: RandomCheckpoint, methods: list[Method]) -> dict[str, float]:
    """Of the one method that is measured."""
    (method,) = methods
    return {"weights_gb": gpu_bytes.weights_gb(method.module, checkpoint.config.num_code_groups)}


def with_memory(device: str) -> dict[str, float]:
    return {"gpu_peak_mb": torch.cuda.max_memory_allocated() / 1e6} if device == "cuda" else {}


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "machine": of_machine,
    "eager": eager,
    "export": export,
    "compiled": compiled,
    "torch_compile": torch_compile,
    "speech": speech,
}


def main() -> None:
    args = parse_args()
    with torch.no_grad():
        found = STEPS[args.step](args)
    with AtomicOutput(args.output) as file:
        file.write((json.dumps(found) + "\n").encode())


if __name__ == "__main__":
    main()
