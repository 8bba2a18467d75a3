#!/usr/bin/env python3
"""One table of the recipes: what each takes and what it costs in exactness.

    python benchmarks/recipes.py --size 0.6b-base    # a random checkpoint and its exports, made if need be
    python benchmarks/recipes.py --checkpoint checkpoint --model balanced=model.pte --model small=small.pte

Each recipe speaks every prompt, by turns with the others; quality.py tells how often it chooses the codes that fp32
chooses, and how much its sound differs. Random weights only rank the recipes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark import first_speaker, write_json
from comparisons import Way, by_turns
from measuring import ProgramError, spread
from quality import Quality
from quality import measure as measure_quality
from qwen3_tts.recipe import RECIPES
from qwen3_tts.text_list import read_texts
from random_models import REPOSITORY, make_checkpoint, make_model, say
from scenarios import Runner, Stats
from tables import markdown
from tables import spread as spread_text

Figures = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where the models come from."""

    checkpoint: Path
    models: dict[str, Path]  # by recipe


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="0.6b-base", help="random checkpoint to measure (default: %(default)s)")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), help="of it (default: all)")
    parser.add_argument("--model", action="append", default=[], metavar="RECIPE=FILE", help="an export of --checkpoint")
    parser.add_argument("--checkpoint", type=Path, help="folder written by convert_weights.py, with --model")
    parser.add_argument("--quality", type=Path, help="what quality.py --output wrote, in place of measuring it again")
    parser.add_argument("--prompts", type=Path, default=REPOSITORY / "benchmarks/prompts.txt", help="a text a line")
    parser.add_argument("--frames", type=int, default=64, help="of every prompt that is timed (default: %(default)s)")
    parser.add_argument("--quality-frames", type=int, default=48, help="of quality.py (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="over the recipes (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    parser.add_argument("--output", type=Path, help="also write everything as JSON")
    args = parser.parse_args()
    if bool(args.model) != bool(args.checkpoint):
        parser.error("--model and --checkpoint belong together")
    if min(args.frames, args.quality_frames, args.rounds, args.threads) < 1:
        parser.error("every number must be 1 or more")
    return args


def named_models(texts: Sequence[str]) -> dict[str, Path]:
    """Of texts RECIPE=FILE. Raises ValueError for one that names no recipe."""
    models = {}
    for text in texts:
        recipe, _, file = text.partition("=")
        if recipe not in RECIPES or not file:
            raise ValueError(f"'{text}' is no RECIPE=FILE with a recipe of {', '.join(RECIPES)}")
        models[recipe] = Path(file)
    return models


def find_models(args: argparse.Namespace) -> Source:
    """Raises ValueError for a --model that names no recipe."""
    if not args.model:
        models = {recipe: make_model(args.size, recipe)[0] for recipe in args.recipes}
        return Source(make_checkpoint(args.size), models)
    return Source(args.checkpoint, named_models(args.model))


def measure_speed(runner: Runner, models: dict[str, Path], threads: int, rounds: int) -> dict[str, Figures]:
    def way(model: Path) -> Way:
        def speak() -> Stats:
            runs, finished = replace(runner, model=model).speak_prompts(threads, repeat=1, warmup=1)
            return {"runs": runs, "peak_mb": finished.memory.total}

        return speak

    processes = by_turns({recipe: way(model) for recipe, model in models.items()}, rounds)
    figures = {}
    for recipe, of_recipe in processes.items():
        runs = [run for process in of_recipe for run in process["runs"]]
        figures[recipe] = {
            "file_mb": models[recipe].stat().st_size / 1e6,
            "peak_mb": max(process["peak_mb"] for process in of_recipe),
            "rtf": spread([run["rtf"] for run in runs]),
            "ttfa_ms": spread([run["ttfa_ms"] for run in runs]),
        }
    return figures


def find_quality(args: argparse.Namespace, source: Source) -> dict[str, Figures]:
    if args.quality:
        found: dict[str, Figures] = json.loads(args.quality.read_text(encoding="utf-8"))
        return {recipe: found[recipe] for recipe in source.models}
    recipes = {recipe: RECIPES[recipe] for recipe in source.models}
    measured: dict[str, Quality] = measure_quality(source.checkpoint, recipes, args.quality_frames)
    return {recipe: asdict(quality) for recipe, quality in measured.items()}


def table(figures: dict[str, Figures]) -> str:
    heading: tuple[str, ...] = ("recipe", "`model.pte`", "memory", "RTF", "first sound, ms")
    heading += ("code 0 agrees", "KL, nats", "codes 1–15 agree", "KL, nats", "sound, SNR")
    rows = [
        (
            f"`{recipe}`", f"{f['file_mb']:.0f} MB", f"{f['peak_mb']:.0f} MB", spread_text(f, "rtf", digits=3),
            spread_text(f, "ttfa_ms"), f"{f['talker_agreement']:.1%}", f"{f['talker_kl']:.4f}",
            f"{f['code_agreement']:.1%}", f"{f['code_kl']:.4f}", f"{f['snr_db']:.1f} dB",
        )
        for recipe, f in figures.items()
    ]  # fmt: skip
    return markdown(heading, *rows)


def main() -> None:
    args = parse_args()
    try:
        source = find_models(args)
        prompts = tuple(read_texts(args.prompts))
        any_model = next(iter(source.models.values()))
        runner = Runner(args.runner, any_model, first_speaker(args.runner, any_model), prompts, args.frames)
        say("speed")
        speed = measure_speed(runner, source.models, args.threads, args.rounds)
        quality = find_quality(args, source)
    except (OSError, ValueError, KeyError, ProgramError) as error:
        sys.exit(f"{Path(__file__).name}: error: {error}")
    figures = {recipe: speed[recipe] | quality[recipe] for recipe in source.models}
    print(table(figures))
    if args.output:
        write_json(args.output, figures)


if __name__ == "__main__":
    main()
