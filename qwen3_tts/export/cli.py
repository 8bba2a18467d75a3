"""The program qwen3-tts-export."""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from qwen3_tts.atomic_output import staging
from qwen3_tts.commands import INSTALLED, Commands, program_name, sentence
from qwen3_tts.export.flags import parse_args


class Progress:
    """One line a step on stderr, with the seconds the last one took."""

    def __init__(self) -> None:
        self.started = self.step_started = time.monotonic()
        self.step = ""

    def __call__(self, method: str, step: str) -> None:
        self.finish()
        self.step = f"{step:<9} {method}"
        print(f"[{time.monotonic() - self.started:6.0f} s] {self.step} …", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        if self.step:
            print(f" {time.monotonic() - self.step_started:.1f} s", file=sys.stderr)
        self.step, self.step_started = "", time.monotonic()


def print_summary(manifest: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{manifest['file']}: {manifest['bytes'] / 1e6:,.1f} MB")
    for column in ("method", "inputs", "outputs"):
        table.add_column(column)
    for column in ("delegates", "weights, MB", "planned, MB"):
        table.add_column(column, justify="right")
    for name, method in manifest["methods"].items():
        table.add_row(
            name,
            "\n".join(method["inputs"]).replace("[", "\\["),
            "\n".join(method["outputs"]).replace("[", "\\["),
            str(method["delegates"]),
            f"{method['weight_bytes'] / 1e6:,.1f}",
            f"{method['planned_bytes'] / 1e6:,.1f}",
        )
    Console(stderr=True).print(table)
    Console(stderr=True).print("Weights that several methods use are stored once and counted in each of them.")


def main(arguments: Sequence[str] | None = None, commands: Commands = INSTALLED) -> int:
    """Runs the program; the exit status. arguments: the command line's when None."""
    args = parse_args(arguments, commands)
    name = program_name(commands.export)
    remarks: list[str] = []
    try:
        if args.publish is None:
            export(args)
        else:
            remarks = export_and_publish(args)
    except (OSError, ValueError) as error:  # ConfigError and CheckpointError are ValueErrors
        print(f"\n{name}: error: {sentence(error)}", file=sys.stderr)
        return 1
    for remark in remarks:
        print(f"{name}: {args.publish}: {remark}", file=sys.stderr)
    return 0


def export_and_publish(args: argparse.Namespace) -> list[str]:
    """Exports into the folder of ready models, or what the other flags name and copies; what people should be told.

    Raises ValueError or OSError.
    """
    # Not before: who does not publish needs no huggingface_hub.
    from qwen3_tts.publish.folder import check_folder, publish
    from qwen3_tts.publish.source import read_source

    check_folder(args.publish)
    read_source(args.checkpoint)  # what is wrong with its card is said before minutes have passed
    is_only_published = args.output is None and args.voice_encoder is None
    with ExitStack() as stack:
        if is_only_published:
            args.output = stack.enter_context(staging(args.publish.resolve())) / "model.pte"
        return publish(export(args), args.checkpoint, args.publish, move=is_only_published)


def export(args: argparse.Namespace) -> list[Path]:
    """Writes the programs that the flags name; their paths. Raises ValueError or OSError."""
    # Not before: what is wrong with the flags is said at once, without torch.
    logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported
    from qwen3_tts.export.checkpoint import Checkpoint
    from qwen3_tts.export.cuda import target
    from qwen3_tts.export.program import write_model, write_voice_encoder

    progress = Progress()
    if args.backend == "cuda":  # before anything is loaded
        args.gpu_arch = target.check(args.gpu_arch)
    checkpoint = Checkpoint(args.checkpoint)
    written = []
    for output, write in ((args.voice_encoder, write_voice_encoder), (args.output, write_model)):
        if output is not None:
            manifest = write(args, checkpoint, progress)
            progress.finish()
            print_summary(manifest)
            written.append(output)
    return written
