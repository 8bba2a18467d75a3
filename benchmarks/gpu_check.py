#!/usr/bin/env python3
"""Exports methods for the NVIDIA GPU of this machine, compares them with the same modules in PyTorch, measures both.

Every step is a process of its own (gpu_step.py), each method is exported by one, and the report, one JSON file, is
written again after each: what was found is there whenever the time is over. Models have random weights, which are made
on their modules. Needs no network. Methods run as AOTInductor containers, so ExecuTorch's CUDA runtime need not be
installed; --speech also exports the whole program, and lets the C++ program speak where `cmake --preset cuda` has built
it. Fails when a step or parity does.

In 4w, int4 layers run by plain operators (cuda/int4_shim.cpp), because their kernel is in ExecuTorch's runtime: the
codes can be compared, the times of talker and frame are not those of the runtime.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import gpu_bytes

REPOSITORY = Path(__file__).resolve().parent.parent
SIZES = ("tiny-customvoice", "0.6b-customvoice")
VARIANTS = ("bf16", "4w")
METHODS = ("talker", "decode_audio", "decode_chunk", "cp_generate", "frame", "talker_prefill")  # the quick ones first
BASELINES = ("eager", "graph", "compile")
MOST_AT_ONCE = 32  # recipe.MAX_GPU_BATCH, which is not imported before the flags are read
OLDEST_TORCH = (2, 11)
# What the steps import and no other of these brings along.
DISTRIBUTIONS = (
    "torch", "triton", "executorch", "torchao", "flatbuffers", "ruamel.yaml", "tabulate", "numpy", "safetensors",
    "tokenizers", "packaging", "xxhash",
)  # fmt: skip
FOR_SPEECH = ("dashscope",)
EXPORT_SHARE = 0.75  # of the time: what is compiled by then is measured in the rest
CORES_OF_EXPORT = 3
RUNNER = REPOSITORY / "build" / "cuda" / "qwen3_tts_runner"


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    def names(known: tuple[str, ...]) -> Any:
        def parse(text: str) -> list[str]:
            given = [name for name in text.split(",") if name]
            if unknown := [name for name in given if name not in known]:
                raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among {', '.join(known)}")
            return given

        return parse

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), help="of random models (default: both %(default)s)")
    parser.add_argument("--variants", type=names(VARIANTS), default=["bf16"], help="bf16,4w (default: bf16)")
    parser.add_argument("--methods", type=names(METHODS), default=list(METHODS), help="(default: %(default)s)")
    parser.add_argument("--groups", type=int, help="the first code groups alone: less to compile (default: all)")
    parser.add_argument("--layers", type=int, help="the first layers of talker and code predictor alone, likewise")
    parser.add_argument("--batch", type=int, default=1, help="utterances that share a frame (default: %(default)s)")
    parser.add_argument(
        "--baselines", type=names(BASELINES), default=["eager", "graph"],
        help="eager,graph,compile: PyTorch, a CUDA graph of that, torch.compile (default: eager,graph)",
    )  # fmt: skip
    parser.add_argument("--budget", type=float, default=540, help="seconds for all of it (default: %(default)s)")
    parser.add_argument("--jobs", type=int, help="methods exported at a time (default: one for three cores)")
    parser.add_argument("--rounds", type=int, default=10, help="measurements of each figure (default: %(default)s)")
    parser.add_argument("--speech", action="store_true", help="the whole program, too: takes long")
    parser.add_argument("--frames", type=int, default=64, help="of 80 ms to speak (default: %(default)s)")
    parser.add_argument("--runner", type=Path, help="C++ program built with CUDA (default: build/cuda's)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: a rehearsal of every step")
    parser.add_argument("--output", type=Path, default=Path("gpu-check.json"), help="the report (default: %(default)s)")
    args = parser.parse_args(arguments)
    if args.speech and args.device == "cpu":
        parser.error("--speech is for a GPU: the rehearsal on a CPU has no whole program")
    if not 1 <= args.batch <= MOST_AT_ONCE:
        parser.error(f"--batch {args.batch}: a program speaks 1 to {MOST_AT_ONCE} utterances at once")
    if args.speech and args.batch > 1:
        parser.error("--speech has one utterance at a time: leave out --batch, or --speech")
    return args


# ---------------------------------------------------------------------------------------------------------------------
# What has to be there
# ---------------------------------------------------------------------------------------------------------------------


def is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def lacking(args: argparse.Namespace) -> Iterator[str]:
    """What this machine has not, and the check needs."""
    needed = DISTRIBUTIONS + (FOR_SPEECH if args.speech else ())
    if missing := [name for name in needed if not is_installed(name)]:
        yield (
            f"the Python packages {' '.join(missing)}: pip install --no-deps them, without network with --no-index "
            "--find-links wheels, the folder that `make gpu-bundle` packs"
        )
    if "torch" in missing:
        return
    import torch

    from qwen3_tts.export.cuda import target

    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST_TORCH:
        yield f"torch {'.'.join(map(str, OLDEST_TORCH))} or newer; this is {torch.__version__}"
    if args.device == "cuda":
        yield from target.missing(with_nvcc=args.speech)


# ---------------------------------------------------------------------------------------------------------------------
# Steps
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    kind: str  # of gpu_step.STEPS
    place: tuple[str, ...]  # in the report's results: size, variant, method, and the name of what is found
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " ".join(self.place)


@dataclass
class Plan:
    """What is done in turn, then what is exported side by side, then what that made."""

    before: list[Step] = field(default_factory=list)
    exports: list[Step] = field(default_factory=list)
    after: list[Step] = field(default_factory=list)


def plan(args: argparse.Namespace) -> Plan:
    found = Plan(before=[Step("machine", ("machine",))])
    compiled, speeches, baselines = [], [], []
    for size in args.sizes:
        for variant in args.variants:
            model = ("--size", size, "--variant", variant)
            for method in args.methods:
                flags, place = (*model, "--method", method), (size, variant, method)
                if {"eager", "graph"} & set(args.baselines):
                    graph = ("--graph",) if "graph" in args.baselines else ()
                    found.before.append(Step("eager", (*place, "eager"), (*flags, *graph)))
                found.exports.append(Step("export", (*place, "export"), flags))
                compiled.append(Step("compiled", (*place, "compiled"), flags))
                if "compile" in args.baselines:
                    baselines.append(Step("torch_compile", (*place, "torch_compile"), flags))
            if args.speech:
                speeches.append(Step("speech", (size, variant, "speech"), model))
    found.after = compiled + speeches + baselines
    return found


class Report:
    """The JSON file, which is whole at any time."""

    def __init__(self, path: Path, args: argparse.Namespace):
        self.path = path
        given = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
        self.content: dict[str, Any] = {"arguments": given, "steps": [], "results": {}}

    def add(self, step: Step, outcome: str, seconds: float, found: dict[str, Any] | None, said: str = "") -> None:
        """outcome: "done", "failed", "cut off" or "no time"."""
        entry = {"step": step.name, "outcome": outcome, "seconds": round(seconds, 1)}
        self.content["steps"].append(entry | ({"said": said} if said else {}))
        if found is not None:
            part = self.content["results"]
            found = found | gpu_bytes.share_of_copy(found, part.get("machine", {}).get("copy_gb_per_s"))
            for name in step.place[:-1]:
                part = part.setdefault(name, {})
            part[step.place[-1]] = found
        print(f"== {outcome}: {step.name} ({seconds:.0f} s)", file=sys.stderr, flush=True)
        beside = self.path.with_name(f".{self.path.name}.partial")
        beside.write_text(json.dumps(self.content, indent=2) + "\n", encoding="utf-8")
        beside.replace(self.path)

    def failures(self) -> list[str]:
        failed = [f"{step['step']}: failed" for step in self.content["steps"] if step["outcome"] == "failed"]
        return failed + [
            f"{size} {variant} {method}: beyond its limit: {', '.join(beyond)}"
            for size, variants in self.content["results"].items()
            if size != "machine"
            for variant, methods in variants.items()
            for method, found in methods.items()
            if (beyond := beyond_limits(variant, found if method == "speech" else found.get("compiled", {})))
        ]

    def left_out(self) -> list[str]:
        return [step["step"] for step in self.content["steps"] if step["outcome"] in ("cut off", "no time")]


def beyond_limits(variant: str, found: dict[str, Any]) -> list[str]:
    """In 4w, Python's int4 layers are not the runtime's kernel, and its codes may be others."""
    has_same_kernels = variant != "4w" and "runner" in found
    runner = ["runner_codes"] if has_same_kernels and not found["runner"]["same_codes"] else []
    return [*found.get("parity", {}).get("failed", []), *runner]


@dataclass
class Running:
    step: Step
    process: subprocess.Popen[bytes]
    output: Path
    log: IO[bytes]
    started: float

    def stop(self) -> None:
        """The process and those that it started: compilers."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-2000:]


class Steps:
    """Runs steps until their time is over."""

    def __init__(self, args: argparse.Namespace, folder: Path, report: Report):
        self.args, self.folder, self.report = args, folder, report

    def run(self, steps: list[Step], jobs: int, until: float) -> None:
        """`jobs` at a time; `until`: time.monotonic() at which what still runs is stopped."""
        waiting, running = deque(steps), list[Running]()
        while waiting or running:
            is_over = time.monotonic() >= until
            for each in list(running):
                if each.process.poll() is None and not is_over:
                    continue
                running.remove(each)
                self._end(each)
            while waiting and (is_over or len(running) < jobs):
                step = waiting.popleft()
                if is_over:
                    self.report.add(step, "no time", 0, None)
                else:
                    running.append(self._start(step, jobs))
            if running:
                time.sleep(0.05)

    def _start(self, step: Step, jobs: int) -> Running:
        output = self.folder / (step.name.replace(" ", "-") + ".json")
        args = self.args
        flags = ["--output", output, "--folder", self.folder, "--device", args.device, "--rounds", args.rounds]
        flags += ["--batch", args.batch]
        flags += ["--groups", args.groups] if args.groups else []
        flags += ["--layers", args.layers] if args.layers else []
        runner = args.runner or (RUNNER if RUNNER.exists() else None)
        flags += ["--frames", args.frames, *(["--runner", runner] if runner else [])] if step.kind == "speech" else []
        command = [sys.executable, REPOSITORY / "benchmarks" / "gpu_step.py", step.kind, *flags, *step.flags]
        log = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the step)
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment(jobs), start_new_session=True,
        )  # fmt: skip
        return Running(step, process, output, log, time.monotonic())

    def _end(self, running: Running) -> None:
        seconds = time.monotonic() - running.started
        outcome = {None: "cut off", 0: "done"}.get(running.process.returncode, "failed")
        if outcome == "cut off":
            running.stop()
        found = json.loads(running.output.read_text(encoding="utf-8")) if outcome == "done" else None
        self.report.add(running.step, outcome, seconds, found, running.said() if outcome == "failed" else "")
        running.log.close()


def environment(jobs: int) -> dict[str, str]:
    """Of a step, of which `jobs` run at a time: it imports this tree, and compiles with its share of the cores."""
    folders = [REPOSITORY, REPOSITORY / "benchmarks", REPOSITORY / "tests"]
    path = os.pathsep.join([*map(str, folders), *filter(None, [os.environ.get("PYTHONPATH")])])
    threads = str(max(1, cores() // jobs))
    return {"TORCHINDUCTOR_COMPILE_THREADS": threads, **os.environ, "PYTHONPATH": path}


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(arguments: list[str] | None = None) -> int:
    args = parse_args(arguments)
    started = time.monotonic()
    sys.path.insert(0, str(REPOSITORY))
    if needs := list(lacking(args)):
        print("gpu_check.py: this machine has not what the check needs:", file=sys.stderr)
        print("\n".join(f"  - {need}" for need in needs), file=sys.stderr)
        return 2
    todo, report = plan(args), Report(args.output, args)
    end = started + args.budget
    with tempfile.TemporaryDirectory(prefix="gpu-check.") as folder:
        steps = Steps(args, Path(folder), report)
        steps.run(todo.before, 1, end)
        steps.run(todo.exports, args.jobs or max(1, cores() // CORES_OF_EXPORT), started + EXPORT_SHARE * args.budget)
        steps.run([step for step in todo.after if is_possible(step, report)], 1, end)
    if left_out := report.left_out():
        print(f"not in time: {', '.join(left_out)}", file=sys.stderr)
    failed = report.failures()
    print("\n".join(failed) or "parity holds", file=sys.stderr)
    return 1 if failed else 0


def is_possible(step: Step, report: Report) -> bool:
    """What was not exported cannot be run."""
    exported = {entry["step"] for entry in report.content["steps"] if entry["outcome"] == "done"}
    return step.kind != "compiled" or " ".join((*step.place[:-1], "export")) in exported


if __name__ == "__main__":
    sys.exit(main())
