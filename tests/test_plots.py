"""benchmarks/plots.py on small results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import models
from plots import write_plots

SVG = "{http://www.w3.org/2000/svg}"


def spread(median: float, high: float | None = None) -> dict[str, float]:
    return {"p50": median, "p95": median if high is None else high}


def scenario(rtf: float, threads: int = 2, *, busy: bool = False, memory: float = 900.0) -> dict[str, Any]:
    return {
        "threads": threads,
        "busy": busy,
        "warm": {"rtf": spread(rtf, 1.5 * rtf), "ttfa_ms": spread(1000 * rtf)},
        "peak_memory_mb": {"total": memory},
    }


def peer(name: str, rtf: float, time_of: str = "request", **figures: Any) -> dict[str, Any]:
    return {"name": name, "time_of": time_of, "theirs": {"rtf": spread(rtf)} | figures}


def results(name: str, *speed: dict[str, Any], peers: tuple[Any, ...] = (), cores: int = 2) -> dict[str, Any]:
    return {
        "machine": {"processor": "A & B", "cores": cores},
        "settings": {"threads": 2, "frames": 64},
        "model": {"name": name},
        "scenarios": {"speed": list(speed)},
        "peers": list(peers),
    }


def drawn(path: Path) -> tuple[list[str], dict[str, list[float]]]:
    """Every text; the widths of the bars by kind."""
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    widths: dict[str, list[float]] = {}
    for bar in root.iter(f"{SVG}rect"):
        widths.setdefault(bar.attrib["class"], []).append(float(bar.attrib["width"]))
    return [text.text or "" for text in root.iter(f"{SVG}text")], widths


def test_a_bar_is_as_long_as_its_figure(tmp_path: Path) -> None:
    quiet, busy, single = scenario(0.4), scenario(0.9, busy=True), scenario(0.7, threads=1)
    balanced = results("balanced", single, busy, quiet, peers=(peer("other", 4.0, ttfa_ms=spread(16000)),))
    small = results("small <tiny>", scenario(0.3, memory=0))
    written = write_plots([balanced, small], tmp_path / "new" / "images")
    assert [path.name for path in written] == ["rtf.svg", "first_sound.svg", "memory.svg"]

    texts, widths = drawn(written[0])
    assert [text for text in texts if text in ("balanced", "small <tiny>", "other")] == [
        "balanced",
        "small <tiny>",
        "other",
    ]
    assert [text for text in texts if text in ("0.40", "0.30", "4.00")] == ["0.40", "0.30", "4.00"]
    assert any(text.startswith("A & B, 2 threads; 64 frames") for text in texts)
    assert widths["model"][1] / widths["model"][0] == pytest.approx(0.75, abs=0.01)
    assert widths["peer"][0] / widths["model"][0] == pytest.approx(10, abs=0.1)

    texts, widths = drawn(written[1])
    assert "16.00" in texts
    assert widths["peer"][0] / widths["model"][0] == pytest.approx(40, abs=1)
    texts, widths = drawn(written[2])  # small's memory and the peer's were not measured
    assert "900" in texts
    assert {kind: len(found) for kind, found in widths.items()} == {"model": 1}


def test_the_line_at_a_bar_reaches_to_the_95th_percentile(tmp_path: Path) -> None:
    (path, *_) = write_plots([results("a", scenario(2.0))], tmp_path)  # to 3.0
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    (bar,) = root.iter(f"{SVG}rect")
    (line,) = [line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "spread"]
    begin, end = float(bar.attrib["x"]), float(line.attrib["x2"])
    assert float(line.attrib["x1"]) == pytest.approx(begin + float(bar.attrib["width"]), abs=0.2)
    assert (end - begin) / float(bar.attrib["width"]) == pytest.approx(1.5, abs=0.01)
    (mark,) = [line for line in root.iter(f"{SVG}line") if line.attrib["class"] == "mark"]
    assert (float(mark.attrib["x1"]) - begin) / float(bar.attrib["width"]) == pytest.approx(0.5, abs=0.01)


def test_peers_are_told_apart(tmp_path: Path) -> None:
    first = results("first", scenario(1.0), peers=(peer("other", 2.0), peer("program", 3.0, "process")))
    second = results("second", scenario(1.0), peers=(peer("other", 2.5),))
    texts, _ = drawn(write_plots([first, second], tmp_path)[0])
    assert {"other (beside first)", "other (beside second)", "program, with its start"} < set(texts)


def test_what_was_not_measured_has_no_picture(tmp_path: Path) -> None:
    (path,) = write_plots([results("a", peers=(peer("other", 2.0),))], tmp_path)
    assert path.name == "rtf.svg"
    assert drawn(path)[1].keys() == {"peer"}


def test_the_program_refuses_runs_of_two_machines(tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file, cores in zip(files, (2, 4)):
        file.write_text(json.dumps(results(file.stem, scenario(1.0), cores=cores)))
    program = [sys.executable, str(models.REPOSITORY / "benchmarks" / "plots.py")]
    output = ["--output-dir", str(tmp_path / "images")]
    done = subprocess.run([*program, *map(str, files), *output], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "plots.py: error: the files differ in processor" in done.stderr
    assert not (tmp_path / "images").exists()
    done = subprocess.run([*program, str(files[0]), *output], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(tmp_path / "images" / f"{name}.svg") for name in ("rtf", "first_sound", "memory")
    ]
