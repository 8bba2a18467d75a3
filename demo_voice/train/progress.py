"""What all training has in common: state that survives an interruption, a log of losses, progress."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FALLING_SHARE = 0.25  # of the steps
FINAL_SHARE = 0.02  # of the learning rate


class Run:
    """A training run in `folder`: state.pt is written beside and renamed; losses.csv grows."""

    def __init__(self, folder: Path, parts: dict[str, Any]):
        """parts: what has state_dict and load_state_dict."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.parts, self.step, self.seconds = folder, parts, 0, 0.0
        self._losses = folder / "losses.csv"
        self._sums: dict[str, Tensor | float] = {}  # on the device, which is not waited for in every step
        self._count, self._started = 0, time.monotonic()
        self._load()

    def _load(self) -> None:
        path = self.folder / "state.pt"
        if path.exists():
            state = torch.load(path, weights_only=True, map_location=DEVICE)
            for name, part in self.parts.items():
                part.load_state_dict(state[name])
            self.step, self.seconds = state["step"], state["seconds"]
        if self._losses.exists():
            self._forget_unsaved_losses()

    def _forget_unsaved_losses(self) -> None:
        """Of steps that were made after the state was saved, and will be made again."""
        header, *rows = self._losses.read_bytes().splitlines(keepends=True)
        kept = [row for row in rows if int(row.split(b",")[0]) <= self.step]
        unfinished = self._losses.with_suffix(".tmp")
        unfinished.write_bytes(b"".join([header, *kept]))
        unfinished.replace(self._losses)

    def save(self) -> None:
        state = {name: part.state_dict() for name, part in self.parts.items()}
        unfinished = self.folder / "state.tmp"
        torch.save(state | {"step": self.step, "seconds": self.elapsed()}, unfinished)
        unfinished.replace(self.folder / "state.pt")

    def elapsed(self) -> float:
        return self.seconds + time.monotonic() - self._started

    def record(self, losses: dict[str, Tensor], every: int) -> None:
        """Count a step; each `every` steps write the mean losses to losses.csv and to the terminal."""
        self.step += 1
        self._count += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach()
        if self.step % every:
            return
        means = {name: float(total) / self._count for name, total in self._sums.items()}
        self._append({"step": self.step, "seconds": round(self.elapsed()), **means})
        listed = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        print(f"step {self.step}  {self.elapsed():.0f} s  {listed}", flush=True)
        self._sums, self._count = {}, 0

    def _append(self, row: dict[str, Any]) -> None:
        is_new = not self._losses.exists()
        with self._losses.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def prepare(threads: int, seed: int) -> None:
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    torch.manual_seed(seed)


def schedule(step: int, steps: int, warmup: int) -> float:
    """Times the learning rate: up in a line, level, and down in a line over the last quarter.

    A run that is given more steps later goes on as if it had had them from the start, but for what it learned while
    the rate was low.
    """
    if step < warmup:
        return (step + 1) / warmup
    left = (steps - step) / steps
    return max(FINAL_SHARE, min(1.0, left / FALLING_SHARE))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
