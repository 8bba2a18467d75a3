"""The benchmark's results as the Markdown tables of the README."""

from __future__ import annotations

from typing import Any

Results = dict[str, Any]
SAMPLES = "code predictor"
STAGES = ("talker", SAMPLES, "codec decoder", "audio sink", "host")
Row = tuple[str, ...]


def tables(results: Results) -> str:
    parts = [setting(results), scenarios(results["scenarios"]), loading(results)]
    if results["peers"]:
        parts.append(peers(results["peers"]))
    return "\n\n".join(parts)


def markdown(*rows: Row) -> str:
    """The first row is the heading."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def setting(results: Results) -> str:
    machine, settings = results["machine"], results["settings"]
    frames = [count for scenario in results["scenarios"] for count in scenario["warm"].get("frames", [])]
    return (
        f"{results['model']['name']} on {machine['processor']}, {machine['cores']} cores, load "
        f"{machine['load_average_at_start']:.1f} before; {len(settings['prompts'])} prompts of "
        f"{between(frames)} frames, {settings['repeat']} times, median (95th percentile)."
    )


def between(counts: list[int]) -> str:
    if not counts:
        return "no"
    return str(counts[0]) if min(counts) == max(counts) else f"{min(counts)}–{max(counts)}"


def scenarios(measured: list[Results]) -> str:
    rows: list[Row] = [("", *(heading(scenario) for scenario in measured))]
    rows.append(("RTF", *(spread(s["warm"], "rtf", digits=3) for s in measured)))
    rows.append(("request to first sound, ms", *(spread(s["warm"], "ttfa_ms") for s in measured)))
    for stage in STAGES:
        rows.append((f"{stage}, ms a frame", *(spread(s["warm"], "ms_a_frame", stage, digits=1) for s in measured)))
        if stage == SAMPLES:
            rows.append(("its sampler, ms a frame", *(f"{s['sampler_ms_a_frame']:.1f}" for s in measured)))
    rows.append(("first request of a process, RTF", *(spread(s["cold"], "rtf", digits=3) for s in measured)))
    rows.append(("first request of a process, first sound, ms", *(spread(s["cold"], "ttfa_ms") for s in measured)))
    rows.append(("peak memory, MB (anonymous, file pages)", *(memory(s["peak_memory_mb"]) for s in measured)))
    return markdown(*rows)


def heading(scenario: Results) -> str:
    threads = f"{scenario['threads']} thread{'s' if scenario['threads'] > 1 else ''}"
    return f"{threads}, a core busy" if scenario["busy"] else threads


def spread(summary: Results, *keys: str, digits: int = 0) -> str:
    value: Any = summary
    for key in keys:
        value = value.get(key)
        if value is None:
            return "–"
    return f"{value['p50']:.{digits}f} ({value['p95']:.{digits}f})"


def memory(peaks: Results) -> str:
    if not peaks["total"]:
        return "–"
    return f"{peaks['total']:.0f} ({peaks['anonymous']:.0f}, {peaks['file']:.0f})"


def loading(results: Results) -> str:
    starts = results["starts"]
    rows: list[Row] = [
        ("", ""),
        ("load, ms", spread(starts["load_ms"], "without_cache")),
        ("load while making a weight cache, ms", spread(starts["load_ms"], "making_cache")),
        ("load with it, ms", spread(starts["load_ms"], "with_cache")),
        ("weight cache, MB", f"{starts['cache_mb']:.0f}"),
        ("model.pte, MB", f"{results['model']['file_mb']:.0f}"),
    ]
    if results["export"]:
        rows.append(("export", f"{results['export']['seconds']:.0f} s, {results['export']['peak_gb']:.1f} GB"))
    return markdown(*rows)


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
