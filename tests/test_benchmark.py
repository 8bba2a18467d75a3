"""benchmarks/benchmark.py on a tiny model, beside trivial peers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import models

BENCHMARK = models.REPOSITORY / "benchmarks" / "benchmark.py"
PROMPTS = [
    "Short.",
    "A text of some more words.",
    "And one, {wav}, that is longer still, with what a command may need.",
]
FRAMES, REPEAT, STARTS = 5, 2, 2
SAMPLE_RATE, SAMPLES_PER_FRAME = 24000, 480  # of the tiny models

# Writes what it was called with, then says that it took 10 s for 2 s of speech.
JSON_PEER = """
import json, sys
with open(sys.argv[1], "a") as log:
    print(json.dumps(sys.argv[2:]), file=log)
print("some words before")
print(json.dumps({"audio_s": 2, "total_ms": 10000, "ttfa_ms": 500}))
"""
# Takes at least 0.2 s for 0.1 s of silence.
WAV_PEER = """
import sys, time, wave
time.sleep(0.2)
with wave.open(sys.argv[1], "wb") as file:
    file.setnchannels(1), file.setsampwidth(2), file.setframerate(1000)
    file.writeframes(bytes(200))
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARK), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def peer(folder: Path, name: str, program: str, *words: str | Path) -> str:
    path = folder / f"{name}.py"
    path.write_text(program)
    return f"{name}='{sys.executable}' '{path}' {' '.join(map(str, words))}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("benchmark")


@pytest.fixture(scope="module")
def flags(tiny_pte: Callable[[str], Path], runner: Path, folder: Path) -> list[str | Path]:
    prompts = folder / "prompts.txt"
    prompts.write_text("\n".join(PROMPTS))
    flags: list[str | Path] = ["--model", tiny_pte("tiny-customvoice"), "--runner", runner, "--prompts", prompts]
    return [*flags, "--frames", str(FRAMES), "--repeat", str(REPEAT), "--starts", str(STARTS), "--warmup", "1"]


@pytest.fixture(scope="module")
def measured(flags: list[str | Path], folder: Path) -> tuple[dict[str, Any], str]:
    output = folder / "results.json"
    peers = [
        peer(folder, "talk", JSON_PEER, folder / "calls", "{text}", "{frames} {threads} {warmup} {other}"),
        peer(folder, "file", WAV_PEER, "{wav}"),
    ]
    done = run(*flags, "--threads", "2", "1", "--peer", peers[0], "--peer", peers[1], "--output", output)
    assert done.returncode == 0, done.stderr
    assert [file.name for file in folder.glob("*results*")] == [output.name]
    return json.loads(output.read_text()), done.stdout


def test_every_scenario_is_measured(measured: tuple[dict[str, Any], str]) -> None:
    results, printed = measured
    scenarios = results["scenarios"]
    assert [(s["threads"], s["busy"]) for s in scenarios] == [(2, False), (2, True), (1, False), (1, True)]
    for scenario in scenarios:
        warm, cold = scenario["warm"], scenario["cold"]
        assert (warm["runs"], cold["runs"]) == (REPEAT * len(PROMPTS), STARTS)
        assert warm["frames"] == cold["frames"] == [FRAMES, FRAMES]
        assert {run["threads"] for run in scenario["warm_runs"] + scenario["cold_runs"]} == {scenario["threads"]}
        assert list(scenario["prompts"]) == PROMPTS
        rtf = sorted(run["rtf"] for run in scenario["warm_runs"])
        assert (warm["rtf"]["p50"], warm["rtf"]["p95"]) == (rtf[2], rtf[-1])
        seconds = FRAMES * SAMPLES_PER_FRAME / SAMPLE_RATE
        stages = sum(stage["p50"] for stage in warm["ms_a_frame"].values()) * FRAMES
        assert 0 < stages < warm["rtf"]["p95"] * seconds * 1000
        assert 0 < scenario["sampler_ms_a_frame"] < 50
        memory = scenario["peak_memory_mb"]
        assert 0 < memory["anonymous"] < memory["total"]
        assert 0 < memory["file"] < memory["total"]
    assert "| RTF |" in printed
    assert "| 1 thread, a core busy |" in printed


def test_starts_with_a_weight_cache_are_measured(measured: tuple[dict[str, Any], str]) -> None:
    starts = measured[0]["starts"]
    assert starts["load_ms"].keys() == {"without_cache", "making_cache", "with_cache"}
    assert starts["load_ms"]["with_cache"]["p50"] < starts["load_ms"]["making_cache"]["p50"]
    assert starts["cache_mb"] > 1


def test_peers_run_by_turns_and_are_compared(measured: tuple[dict[str, Any], str], folder: Path) -> None:
    results, printed = measured
    talk, file = results["peers"]
    calls = [json.loads(line) for line in (folder / "calls").read_text().splitlines()]
    assert calls == [[text, str(FRAMES), "2", "1", "{other}"] for text in PROMPTS] * REPEAT
    assert talk["time_of"] == "request"
    assert talk["theirs"]["rtf"] == {"p50": 5, "p95": 5}
    assert talk["theirs_over_ours"]["rtf"] == pytest.approx(5 / talk["ours"]["rtf"]["p50"])
    assert talk["theirs_over_ours"]["ttfa_ms"] == pytest.approx(500 / talk["ours"]["ttfa_ms"]["p50"])
    assert file["time_of"] == "process"
    assert 2 < file["theirs"]["rtf"]["p50"] < 20
    assert file["ours"]["rtf"]["p50"] > talk["ours"]["rtf"]["p50"]  # with loading
    assert "ttfa_ms" not in file["theirs_over_ours"]
    assert "| talk | request | 5.000 (5.000) |" in printed


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nothing", "'nothing' is no peer; write NAME=CMD"),
        ("a=", "is no peer"),
        ("a=true", "peer a: the last line of its output is ''; print a JSON object"),
        ("a=echo '{\"audio_s\": 1}'", "total_ms"),
        ("a=false", "peer a: false\nended with 1"),
        ("a=none-such {wav}", "peer a: cannot run 'none-such': No such file"),
        ("a=true {wav}", "peer a: there is no WAV in 'peer.wav'"),
        ("qwen-tts", "for --model write NAME=CMD"),
    ],
)
def test_a_peer_that_cannot_be_read_is_named(flags: list[str | Path], command: str, words: str) -> None:
    done = run(*flags, "--threads", "1", "--no-busy", "--repeat", "1", "--starts", "1", "--peer", command)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("benchmark.py: error: ") or words.count("\n")
    assert words in done.stderr
    assert done.stdout == ""
