#!/usr/bin/env python3
"""The benchmark's results as pictures: speed, first sound and memory of every model and peer.

    python benchmarks/plots.py balanced.json small.json --output-dir docs/images   # what benchmark.py --output wrote

Writes rtf.svg, first_sound.svg and memory.svg. A bar is a median, the thin line at its end reaches to the 95th
percentile. The colours follow the reader's choice of light or dark. A picture that no file has figures for is not
written.

Models: warm, the most threads, no other load. Peers: as measured by turns with the model of their file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

Results = dict[str, Any]

WIDTH, RIGHT = 760, 90  # in pixels: the picture, the room for values
TOP, ROW, BAR, BOTTOM = 64, 34, 20, 34
LETTER = 7.4  # about the width of one

STYLE = """
text { font: 14px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.note { font-size: 12px; fill: #59636e; }
.model { fill: #0969da; }
.peer { fill: #8c959f; }
.spread { stroke: #1f2328; stroke-width: 1.5; }
.mark { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 4 3; }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 5px; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note { fill: #9198a1; }
  .model { fill: #4493f8; }
  .peer { fill: #656c76; }
  .spread { stroke: #e6edf3; }
  .mark { stroke: #f0883e; }
  .value { stroke: #0d1117; }
}
"""


@dataclass(frozen=True)
class Bar:
    name: str
    is_peer: bool
    median: float
    high: float  # 95th percentile; the median where there is one value


@dataclass(frozen=True)
class Plot:
    file: str
    title: str
    key: str  # of a summary in the results
    form: str
    scale: float = 1.0  # from the results' unit to that of the title
    mark: tuple[float, str] | None = None  # a value worth a line, and what it means


PLOTS = (
    Plot("rtf.svg", "Time to speak a second, s (RTF)", "rtf", "{:.2f}", mark=(1.0, "as fast as speech")),
    Plot("first_sound.svg", "Request to first sound, s", "ttfa_ms", "{:.2f}", scale=1e-3),
    Plot("memory.svg", "Peak memory, MB", "peak_memory_mb", "{:.0f}"),
)


def bars(all_results: Sequence[Results], plot: Plot) -> list[Bar]:
    """Models in the order of the files, then peers; those that have the figure."""
    rows = [*_models(all_results), *_peers(all_results)]
    found = [(name, is_peer, figures[plot.key]) for name, is_peer, figures in rows if plot.key in figures]
    return [
        Bar(name, is_peer, value["p50"] * plot.scale, value["p95"] * plot.scale)
        for name, is_peer, value in found
        if value["p50"] > 0
    ]


def _models(all_results: Sequence[Results]) -> Iterator[tuple[str, bool, Results]]:
    for results in all_results:
        quiet = [scenario for scenario in results["scenarios"].get("speed", []) if not scenario["busy"]]
        if quiet:
            scenario = max(quiet, key=lambda scenario: scenario["threads"])
            memory = scenario["peak_memory_mb"]["total"]
            yield results["model"]["name"], False, scenario["warm"] | {"peak_memory_mb": {"p50": memory, "p95": memory}}


def _peers(all_results: Sequence[Results]) -> Iterator[tuple[str, bool, Results]]:
    names = [peer["name"] for results in all_results for peer in results["peers"]]
    for results in all_results:
        for peer in results["peers"]:
            name = peer["name"] + (", with its start" if peer["time_of"] == "process" else "")
            if names.count(peer["name"]) > 1:
                name += f" (beside {results['model']['name']})"
            yield name, True, peer["theirs"]


def draw(plot: Plot, rows: Sequence[Bar], note: str) -> str:
    """An SVG document."""
    largest = max([bar.high for bar in rows] + ([plot.mark[0]] if plot.mark else []))
    left = 28 + LETTER * max(len(bar.name) for bar in rows)
    pixels = (WIDTH - left - RIGHT) / largest  # for a unit of the value
    height = TOP + ROW * len(rows) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(plot.title)}">',
        f"<style>{STYLE}</style>",
        _text(16, 26, plot.title, "title"),
    ]
    if plot.mark:  # below the values, which must stay readable
        x = left + plot.mark[0] * pixels
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - BOTTOM}"/>')
        parts.append(_text(x, TOP - 14, plot.mark[1], "note", "middle"))
    for index, bar in enumerate(rows):
        parts += _row(bar, plot.form, left, TOP + ROW * index, pixels)
    parts += [_text(16, height - 12, note, "note"), "</svg>", ""]
    return "\n".join(parts)


def _row(bar: Bar, form: str, left: float, top: float, pixels: float) -> list[str]:
    middle, end, high = top + ROW / 2, left + bar.median * pixels, left + bar.high * pixels
    kind = "peer" if bar.is_peer else "model"
    size = f'width="{end - left:.1f}" height="{BAR}"'
    parts = [
        _text(left - 12, middle + 5, bar.name, anchor="end"),
        f'<rect class="{kind}" x="{left:.1f}" y="{middle - BAR / 2:.1f}" {size} rx="2"/>',
        _text(max(end, high) + 8, middle + 5, form.format(bar.median), "value"),
    ]
    if bar.high > bar.median:
        parts.append(f'<line class="spread" x1="{end:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>')
    return parts


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def setting(all_results: Sequence[Results]) -> str:
    """One line for all pictures. Raises ValueError for results that may not stand side by side."""
    settings = {
        (r["machine"]["processor"], r["machine"]["cores"], r["settings"]["threads"], r["settings"]["frames"])
        for r in all_results
    }
    if len(settings) > 1:
        raise ValueError(
            f"the files differ in processor, cores, threads or frames: {sorted(settings)}; "
            "put runs of one machine with the same flags into one picture"
        )
    ((processor, _, threads, frames),) = settings
    plural = "s" if threads > 1 else ""
    return f"{processor}, {threads} thread{plural}; {frames} frames an utterance; medians, shorter is better"


def write_plots(all_results: Sequence[Results], folder: Path) -> list[Path]:
    """The files that were written. Raises ValueError for results that may not stand side by side."""
    note = setting(all_results)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for plot in PLOTS:
        if rows := bars(all_results, plot):
            written.append(folder / plot.file)
            written[-1].write_text(draw(plot, rows, note), encoding="utf-8")
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", help="files of benchmark.py --output")
    parser.add_argument("--output-dir", type=Path, required=True, help="folder of the pictures; made if need be")
    args = parser.parse_args()
    try:
        written = write_plots([json.loads(path.read_text(encoding="utf-8")) for path in args.results], args.output_dir)
    except (OSError, ValueError) as error:
        sys.exit(f"{Path(__file__).name}: error: {error}")
    for path in written:
        print(path)


if __name__ == "__main__":
    main()
