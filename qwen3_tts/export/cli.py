"""The program qwen3-tts-export."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from typing import Any

from qwen3_tts.commands import INSTALLED, Commands, program_name
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
    # Not before: what is wrong with the flags is said at once, without torch.
    logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported
    from qwen3_tts.export.checkpoint import Checkpoint
    from qwen3_tts.export.cuda import target
    from qwen3_tts.export.program import write_model, write_voice_encoder

    progress = Progress()
    try:
        if args.backend == "cuda":  # before anything is loaded
            args.gpu_arch = target.check(args.gpu_arch)
        checkpoint = Checkpoint(args.checkpoint)
        for output, write in ((args.voice_encoder, write_voice_encoder), (args.output, write_model)):
            if output is not None:
                manifest = write(args, checkpoint, progress)
                progress.finish()
                print_summary(manifest)
    except (OSError, ValueError) as error:  # ConfigError and CheckpointError are ValueErrors
        print(f"\n{program_name(commands.export)}: error: {error}", file=sys.stderr)
        return 1
    return 0
