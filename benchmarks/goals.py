#!/usr/bin/env python3
"""What the project promises beside what was measured.

    python benchmarks/goals.py balanced.json small.json large.json   # what benchmark.py --output wrote

Each goal is looked for in every file; one that no file measured is left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Results = dict[str, Any]
MIN_FRAMES = 60  # of an utterance whose speed counts


@dataclass(frozen=True)
class Goal:
    what: str
    must: float
    measured: Callable[[Results], float | None]  # None: not in these results
    form: str = "{:.2f}"


def verdicts(all_results: list[Results]) -> str:
    """A Markdown table. A goal that several results measured has a row for each."""
    lines = ["| goal | model | must | measured | |", "|---|---|--:|--:|---|"]
    for goal in GOALS:
        for results in all_results:
            value = goal.measured(results)
            if value is not None:
                row = (goal.what, results["model"]["name"], f"≤ {goal.form.format(goal.must)}", goal.form.format(value))
                lines.append(f"| {' | '.join(row)} | {'met' if value <= goal.must else '**missed**'} |")
    return "\n".join(lines)


def speed(results: Results, busy: bool = False) -> Results | None:
    """Warm, with the most threads."""
    found = [s for s in results["scenarios"].get("speed", []) if s["busy"] == busy]
    return max(found, key=lambda scenario: scenario["threads"])["warm"] if found else None


def is_large(results: Results) -> bool:
    return "1.7b" in results["model"]["name"].lower()


def has_narrow_codec(results: Results) -> bool:
    return results["model"]["recipe"].get("codec_convolutions", "none") != "none"


def rtf(narrow_codec: bool) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        warm = speed(results)
        if warm is None or is_large(results) or has_narrow_codec(results) != narrow_codec:
            return None
        return float(warm["rtf"]["p50"]) if warm["frames"][0] >= MIN_FRAMES else None

    return measured


def large_rtf(results: Results) -> float | None:
    warm = speed(results)
    return float(warm["rtf"]["p50"]) if warm and is_large(results) else None


def first_sound(results: Results) -> float | None:
    """Of the shortest prompt."""
    found = [s for s in results["scenarios"].get("speed", []) if not s["busy"]]
    if not found or is_large(results):
        return None
    prompts = max(found, key=lambda scenario: scenario["threads"])["prompts"]
    return float(prompts[min(prompts, key=len)]["ttfa_ms"]["p50"])


def busy_ratio(results: Results) -> float | None:
    quiet, busy = speed(results), speed(results, busy=True)
    return float(busy["rtf"]["p50"] / quiet["rtf"]["p50"]) if quiet and busy else None


def file_mb(narrow_codec: bool) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        fits = not is_large(results) and has_narrow_codec(results) == narrow_codec
        return float(results["model"]["file_mb"]) if fits else None

    return measured


def of_scenario(name: str, read: Callable[[Any], float | None]) -> Callable[[Results], float | None]:
    def measured(results: Results) -> float | None:
        scenario = results["scenarios"].get(name)
        return None if scenario is None else read(scenario)

    return measured


def export_figure(key: str) -> Callable[[Results], float | None]:
    return lambda results: results["export"][key] if results["export"] and not is_large(results) else None


def either_way(ratio: float) -> float:
    """How far two times that should be equal are apart, as a ratio above 1."""
    return max(ratio, 1 / ratio)


def percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


GOALS = (
    Goal("RTF warm, codec in fp32", 0.45, rtf(narrow_codec=False), "{:.3f}"),
    Goal("RTF warm, narrow codec", 0.33, rtf(narrow_codec=True), "{:.3f}"),
    Goal("RTF warm of the 1.7B", 0.8, large_rtf, "{:.3f}"),
    Goal("first sound of a short sentence, warm, ms", 150, first_sound, "{:.0f}"),
    Goal("one core busy: times the quiet RTF", 2, busy_ratio),
    Goal("peak memory over a minute, MB", 1000,
         of_scenario("minute", lambda s: s["peak_memory_mb"]["total"]), "{:.0f}"),
    Goal("model.pte, codec in fp32, MB", 950, file_mb(narrow_codec=False), "{:.0f}"),
    Goal("model.pte, narrow codec, MB", 650, file_mb(narrow_codec=True), "{:.0f}"),
    Goal("step at capacity 4096 against 512, times", 1.05, of_scenario("capacity", lambda s: either_way(s["ratio"]))),
    Goal("streaming: samples that differ from one chunk's, runs", 0,
         of_scenario("streaming", lambda s: 0 if s["same_bytes"] else s["rounds"]), "{:.0f}"),
    Goal("streaming against one chunk, times", 1.05, of_scenario("streaming", lambda s: s["ratio"])),
    Goal("first start, a weight cache made, to ready, ms", 3000,
         of_scenario("start", lambda s: s["load_ms"]["making_cache"]["p50"]), "{:.0f}"),
    Goal("second start, with it, to ready, ms", 500,
         of_scenario("start", lambda s: s["load_ms"]["with_cache"]["p50"]), "{:.0f}"),
    Goal("memory after the first of ten minutes, spread in %", 2,
         of_scenario("ten-minutes", lambda s: percent(s["spread_after_first_minute"]))),
    Goal("export, s", 600, export_figure("seconds"), "{:.0f}"),
    Goal("export, GB", 16, export_figure("peak_gb"), "{:.1f}"),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="files of benchmark.py --output")
    args = parser.parse_args()
    print(verdicts([json.loads(path.read_text(encoding="utf-8")) for path in args.results]))


if __name__ == "__main__":
    main()
