#!/usr/bin/env python3
"""The benchmark's results as Markdown tables, which docs/performance.md shows.

python benchmarks/tables.py balanced.json small.json   # what benchmark.py --output wrote: a column for each
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

Results = dict[str, Any]
STAGES = ("talker", "code predictor", "sampler", "codec decoder", "audio sink", "host")
LABELS = {"sampler": "sampler, a part of these two", "host": "host: what is in no stage"}
STARTS = {
    "without_cache": "",
    "without_cache_from_disk": ", model read from the disk",
    "making_cache": ", a weight cache made",
    "with_cache": ", with a weight cache",
}
Row = tuple[str, ...]


def tables(all_results: list[Results]) -> str:
    first = all_results[0]
    parts = [setting(first)]
    if any("speed" in results["scenarios"] for results in all_results):
        parts.append(speed(all_results))
    parts.append(other(all_results))
    parts += [batches(results) for results in all_results if "batch" in results["scenarios"]]
    parts += [peers(results["peers"]) for results in all_results if results["peers"]]
    return "\n\n".join(parts)


def markdown(*rows: Row) -> str:
    """The first row is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def setting(results: Results) -> str:
    machine, settings, versions = results["machine"], results["settings"], results["versions"]
    generation = f" ({machine['generation']})" if machine["generation"] else ""
    return (
        f"{machine['processor']}{generation}, {machine['cores']} cores, load {machine['load_average_at_start']:.1f} "
        f"before; {versions['runner']}, commit {versions['commit']}; {len(settings['prompts'])} prompts of "
        f"{settings['frames']} frames, {settings['repeat']} times, median (95th percentile)."
    )


def speed(all_results: list[Results]) -> str:
    """A column for every model, number of threads and load."""
    measured = [(results, s) for results in all_results for s in results["scenarios"].get("speed", [])]
    rows: list[Row] = [("", *(heading(results, s, len(all_results)) for results, s in measured))]
    scenarios = [scenario for _, scenario in measured]
    rows.append(("RTF", *(spread(s["warm"], "rtf", digits=3) for s in scenarios)))
    rows.append(("request to first sound, ms", *(spread(s["warm"], "ttfa_ms") for s in scenarios)))
    for stage in STAGES:
        label = f"{LABELS.get(stage, stage)}, ms a frame"
        rows.append((label, *(spread(s["warm"], "ms_a_frame", stage, digits=2) for s in scenarios)))
    rows.append(("first request of a process, RTF", *(spread(s["cold"], "rtf", digits=3) for s in scenarios)))
    rows.append(("first request of a process, first sound, ms", *(spread(s["cold"], "ttfa_ms") for s in scenarios)))
    rows.append(("peak memory, MB (anonymous, file pages)", *(memory(s["peak_memory_mb"]) for s in scenarios)))
    return markdown(*rows)


def heading(results: Results, scenario: Results, num_models: int) -> str:
    threads = f"{scenario['threads']} thread{'s' if scenario['threads'] > 1 else ''}"
    model = f"{results['model']['name']}: " if num_models > 1 else ""
    return f"{model}{threads}{', a core busy' if scenario['busy'] else ''}"


def spread(summary: Results, *keys: str, digits: int = 0) -> str:
    value: Any = summary
    for key in keys:
        value = value[key]
    return f"{value['p50']:.{digits}f} ({value['p95']:.{digits}f})"


def memory(peaks: Results) -> str:
    if not peaks["total"]:
        return "–"
    return f"{peaks['total']:.0f} ({peaks['anonymous']:.0f}, {peaks['file']:.0f})"


def other(all_results: list[Results]) -> str:
    """What has no threads and no load: a column for every model, and the rows that some of them have."""
    columns = [figures(results) for results in all_results]
    labels = list(dict.fromkeys(label for column in columns for label in column))
    rows = [(label, *(column.get(label, "–") for column in columns)) for label in labels]
    return markdown(("", *(results["model"]["name"] for results in all_results)), *rows)


def figures(results: Results) -> dict[str, str]:
    """Label -> text."""
    scenarios = results["scenarios"]
    found = {"model.pte, MB": f"{results['model']['file_mb']:.0f}"}
    if start := scenarios.get("start"):
        for name, label in STARTS.items():
            found[f"start to ready{label}, ms"] = spread(start["load_ms"], name)
            found[f"start to first sound{label}, ms"] = spread(start["to_first_sound_ms"], name)
        found["weight cache, MB"] = f"{start['cache_mb']:.0f}"
    if minute := scenarios.get("minute"):
        found[f"peak memory over {minute['audio_s']:.0f} s of speech, MB (anonymous, file pages)"] = memory(
            minute["peak_memory_mb"]
        )
    if streaming := scenarios.get("streaming"):
        same = "same samples" if streaming["same_bytes"] else "OTHER SAMPLES"
        found["streaming against one chunk"] = f"{times(streaming)}, {same}"
    if capacity := scenarios.get("capacity"):
        names = sorted(capacity["step_ms"], key=int)
        found["talker's step, capacity " + " and ".join(names) + ", ms"] = "; ".join(
            spread(capacity["step_ms"], name, digits=2) for name in names
        )
        found["the larger against the smaller"] = times(capacity)
    if split := scenarios.get("ten-minutes"):
        found[f"memory over {split['audio_s']:.0f} s in pieces, MB"] = memory(split["peak_memory_mb"])
    if results["export"]:
        found["export"] = f"{results['export']['seconds']:.0f} s, {results['export']['peak_gb']:.1f} GB"
    return found


def batches(results: Results) -> str:
    """A row for each number of utterances at once."""
    measured = results["scenarios"]["batch"]
    rows: list[Row] = [
        (results["model"]["name"], "speech, s a second", "RTF of each", "first sound, ms", "underruns", "memory, MB")
    ]
    found = [(f"{batch} at once", figures) for batch, figures in measured["at_once"].items()]
    found += [(f"at random, {float(load):.0%} of that", figures) for load, figures in measured["at_random"].items()]
    for name, figures in found:
        rows.append(
            (
                name,
                f"{figures['speech_s_a_second']:.2f}",
                spread(figures, "rtf", digits=3),
                spread(figures, "ttfa_ms"),
                f"{figures['underruns']:.0%}",
                f"{figures['peak_memory_mb']['total']:.0f}",
            )
        )
    for peer, found_of_peer in measured.get("peers", {}).items():
        for count, figures in found_of_peer.items():
            rows.append(
                (
                    f"{peer}, {count} processes",
                    f"{figures['speech_s_a_second']:.2f}",
                    spread(figures, "rtf", digits=3),
                    "–",
                    "–",
                    f"{figures['peak_memory_mb']:.0f}",
                )
            )
    return markdown(*rows)


def times(compared: Results) -> str:
    return f"{compared['ratio']:.3f} times (best runs: {compared['ratio_of_best']:.3f})"


def peers(measured: list[Results]) -> str:
    rows: list[Row] = [("peer", "of", "RTF", "ours", "× ours", "first sound, × ours", "memory, × ours")]
    for peer in measured:
        ratios = peer["theirs_over_ours"]
        rows.append(
            (
                peer["name"],
                peer["time_of"],
                spread(peer["theirs"], "rtf", digits=3),
                spread(peer["ours"], "rtf", digits=3),
                *(f"{ratios[key]:.2f}" if key in ratios else "–" for key in ("rtf", "ttfa_ms", "peak_memory_mb")),
            )
        )
    return markdown(*rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="files of benchmark.py --output")
    args = parser.parse_args()
    print(tables([json.loads(path.read_text(encoding="utf-8")) for path in args.results]))


if __name__ == "__main__":
    main()
