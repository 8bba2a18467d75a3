"""Bars of what was measured, as SVG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plots import Bar, Plot, draw
from proof.ledger import Result, write_text
from proof.setting import REFERENCE

Reads = Callable[[Result], tuple[float, float] | None]  # the figures of one who speaks -> value, upper end


def of_speed(key: str, high: str = "") -> Reads:
    def read(found: Result) -> tuple[float, float] | None:
        speed = found.get("speed", {})
        return (speed[key], speed[high or key]) if key in speed else None

    return read


def of_hearing(key: str, high: str = "", scale: float = 1) -> Reads:
    def read(found: Result) -> tuple[float, float] | None:
        heard = found.get("heard", {})
        return (scale * heard[key], scale * heard[high or key]) if heard.get(key) else None

    return read


Picture = tuple[Plot, Reads, str]  # the last: what stands below it
PICTURES_OF_SPEED: tuple[Picture, ...] = (
    (
        Plot("rtf.svg", "Time to speak a second, s (RTF)", "", "{:.2f}", mark=(1.0, "as fast as speech")),
        of_speed("rtf", "rtf_p95"),
        "medians, lines to the 95th percentile; shorter is better",
    ),
    (
        Plot("first_sound.svg", "Request to first sound, ms", "", "{:.0f}"),
        of_speed("first_sound_ms", "first_sound_ms_p95"),
        "medians, lines to the 95th percentile; shorter is better",
    ),
    (Plot("memory.svg", "Peak memory, MB", "", "{:.0f}"), of_speed("peak_mb"), "shorter is better"),
)
PICTURES_OF_SPEECH: tuple[Picture, ...] = (
    (
        Plot("errors.svg", "Words or characters misheard, %", "", "{:.1f}"),
        of_hearing("error_rate", "error_high", 100),
        "lines to the upper end of the 95 % interval; shorter is better",
    ),
    (Plot("quality.svg", "DistillMOS, 1 to 5", "", "{:.2f}"), of_hearing("distill_mos"), "longer is better"),
)


def write_pictures(figures: Result, folder: Path) -> list[str]:
    """The names of the files that were written; those that have nothing to show are left out."""
    written = []
    for plot, read, note in (*PICTURES_OF_SPEED, *PICTURES_OF_SPEECH):
        found = [(name, read(of_name)) for name, of_name in figures.items()]
        bars = [Bar(name, name == REFERENCE, *values) for name, values in found if values]
        if bars:
            write_text(folder / plot.file, draw(plot, bars, note))
            written.append(plot.file)
    return written
