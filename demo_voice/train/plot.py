"""Draws the losses of the training runs.

python demo_voice/train/plot.py --runs DIR --out demo_voice/train/losses
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

RUNS = ("waves/rows", "waves", "encoder", "talker/reading", "talker")


def draw(path: Path, target: Path) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("step", "seconds")]
    figure, axes = pyplot.subplots(1, len(names), squeeze=False, figsize=(2.4 * len(names), 2), constrained_layout=True)
    steps = [int(row["step"]) for row in rows]
    for axis, name in zip(axes[0], names):
        axis.plot(steps, [float(row[name]) for row in rows], linewidth=0.8)
        axis.set_title(name, fontsize=8)
        axis.set_yscale("log")
        axis.tick_params(labelsize=6, which="both")
    figure.savefig(target, dpi=80)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", required=True, type=Path, metavar="DIR", help="folder of the training runs")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for run in RUNS:
        path = args.runs / run / "losses.csv"
        if path.exists():
            draw(path, args.out / f"{run.replace('/', '-')}.png")


if __name__ == "__main__":
    main()
