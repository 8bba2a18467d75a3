"""Faults from outside, at many moments: what the runner leaves behind must be whole, and what it says true.

    python tests/faults.py [--runner build/cpu/qwen3_tts_runner] [--only full-disk signals ...] [--count 50] [--seed 26]

    signals       SIGINT, SIGTERM and SIGHUP at random moments: a whole WAV file and nothing else
    lines         these and SIGKILL while lines are spoken in batches: what has its name is whole, the next run goes on
    full-disk     a disk that is full after every 4 KiB: an error that says so, or whole files (needs user namespaces)
    little-memory address space in steps: an error that says so, or whole files
    bare          no HOME, no environment: the same samples; no /proc: an error (needs user namespaces)
    clock         a clock that jumps by hours, forward and back: the same samples, and true statistics
    no-network    no network, and death for who asks for any: the same samples (needs user namespaces)
    package       the same of the Python package (needs user namespaces)
    export        the same of an export from a checkpoint folder: the same bytes (needs user namespaces)
    read-only     outputs in a folder that nobody can write to: an error that says so (needs user namespaces)
    memory-group  a memory limit of a control group, as containers have: whole files, also of who was killed for it, and
                  the next run goes on (needs root and control groups)

It ends with 1 when anything else happened. test_faults.py calls a part of it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fault_surroundings
import models
from fault_hunt import LINES, PATIENCE_S, SPOKEN, Hunt, contents, is_whole_wav

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ENDLESS = SPOKEN | {"max_frames": 2400, "max_new_tokens": 2500, "min_frames": 2400, "frame_budget": 0}
LINE_FRAMES = 40


def signals(hunt: Hunt) -> None:
    for index in range(hunt.count):
        number, moment = hunt.draw.choice(ENDINGS), hunt.draw.uniform(0, 0.5)
        folder = hunt.fresh("signals")
        with subprocess.Popen(hunt.command(**ENDLESS, output=folder / "out.wav"), stderr=subprocess.PIPE) as process:
            time.sleep(moment)
            process.send_signal(number)
            code = process.wait(PATIENCE_S)
            assert process.stderr is not None
            said = process.stderr.read().decode()
        left = contents(folder)
        what = f"signal {index}: {number.name} after {moment:.3f} s: exit {code}, {list(left)}, said {said!r}"
        was_ready = code == 128 + number  # it had handlers
        hunt.expect(was_ready or (code == -number and not left), what)
        hunt.expect(not said and left.keys() <= {"out.wav"} and all(map(is_whole_wav, left.values())), what)
        hunt.outcomes["with sound" if left else "before the first sound"] += 1


def lines(hunt: Hunt) -> None:
    prompts = hunt.folder / "lines.txt"
    prompts.write_text("\n".join(LINES))
    common: dict[str, Any] = {
        "prompts_path": prompts,
        "speaker": "ryan",
        "max_frames": LINE_FRAMES,
        "batch": 4,
        "quiet": True,
    }
    whole = hunt.fresh("whole")
    begin = time.monotonic()
    done = hunt.run(**common, output_dir=whole)
    took = time.monotonic() - begin
    expected = contents(whole)
    hunt.expect(done.code == 0 and len(expected) == len(LINES), f"lines: {done}")
    for index in range(hunt.count):
        number, moment = hunt.draw.choice((*ENDINGS, signal.SIGKILL)), hunt.draw.uniform(0, took)
        folder = hunt.fresh("lines")
        manifest = folder / "manifest.jsonl"
        with subprocess.Popen(
            hunt.command(**common, output_dir=folder, manifest=manifest), stderr=subprocess.PIPE
        ) as process:
            time.sleep(moment)
            process.send_signal(number)
            code = process.wait(PATIENCE_S)
        left = contents(folder)
        what = f"lines {index}: {number.name} after {moment:.3f} s: exit {code}, {sorted(left)}"
        finished = {name: content for name, content in left.items() if name in expected}
        hunt.expect(all(content == expected[name] for name, content in finished.items()), what)
        others = left.keys() - expected.keys() - {"manifest.jsonl"}
        hunt.expect(all(name.endswith("_unfinished.wav") for name in others), what)
        if number != signal.SIGKILL:
            hunt.expect(all(is_whole_wav(left[name]) for name in others), what)
            hunt.expect(code in (0, 128 + number, -number), what)
        again = hunt.run(**common, output_dir=folder, manifest=manifest, skip_existing=True)
        left = contents(folder)
        left.pop("manifest.jsonl", None)
        hunt.expect(again.code == 0 and left == expected, f"{what}; then {again}, {sorted(left)}")
        hunt.outcomes[f"{len(finished)} of {len(LINES)} whole"] += 1


def full_disk(hunt: Hunt) -> None:
    """In a mount namespace of its own."""
    prompts = hunt.folder / "lines.txt"
    prompts.write_text("\n".join(LINES[:3]))
    disk = hunt.fresh("disk")
    exact = models.exported("tiny-customvoice")
    several = {"prompts_path": prompts, "output_dir": disk, "manifest": disk / "m.jsonl", "text": None, "batch": 2}
    ways: dict[str, tuple[int, dict[str, Any]]] = {
        "wav": (4, {"output": disk / "out.wav"}),
        "flac": (4, {"output": disk / "out.flac"}),
        "codes": (4, {"codes_only": True, "codes_output": disk / "out.codes"}),
        "statistics": (4, {"output": hunt.folder / "elsewhere.wav", "stats_json": disk / "stats.json"}),
        "lines": (8, several),
        "profile": (64, {"output": hunt.folder / "elsewhere.wav", "profile": disk / "profile.etdp"}),
        "weight cache": (
            512,
            {"output": hunt.folder / "elsewhere.wav", "weight_cache": disk / "cache", "model_path": exact},
        ),
    }
    for way, (step, flags) in ways.items():
        size = step
        for _ in range(hunt.count):
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", disk], check=True)
            done = hunt.run(**SPOKEN | flags)
            left = contents(disk)
            subprocess.run(["umount", disk], check=True)
            what = f"{way} on {size} KiB: exit {done.code}, {sorted(left)}, said {done.said!r}"
            sounds = [content for name, content in left.items() if name.endswith(".wav")]
            hunt.expect(all(map(is_whole_wav, sounds)), what)
            hunt.expect(not any(".tmp." in name for name in left), what)
            if done.code == 0:
                break
            told = done.said.count("\n") >= 1 and "No space left" in done.said and "make room" in done.said
            hunt.expect(done.code == 1 and told, what)
            hunt.expect(way in ("wav", "flac", "lines") or not left, what)
            size += step
        hunt.outcomes[f"{way}: {size} KiB"] += 1


def little_memory(hunt: Hunt) -> None:
    prompts = hunt.folder / "lines.txt"
    prompts.write_text("\n".join(LINES[:4]))
    common: dict[str, Any] = {
        "prompts_path": prompts,
        "speaker": "ryan",
        "max_frames": 8,
        "batch": 4,
        "threads": 2,
        "quiet": True,
    }
    expected = hunt.whole(**common)
    for index in range(hunt.count):
        mebibytes = 30 + index * 400 // hunt.count
        folder = hunt.fresh("memory")
        done = hunt.run(limit=mebibytes << 20, **common, output_dir=folder)
        if "error while loading shared libraries" in done.said:
            continue  # the program itself has no room
        left = contents(folder)
        what = f"{mebibytes} MiB: exit {done.code}, {sorted(left)}, said {done.said!r}"
        words = ("memory", "no thread to decode with")
        is_told = done.code == 1 and any(word in done.said for word in words) and "std::" not in done.said
        hunt.expect((done.code == 0 and left == expected) or is_told, what)
        hunt.expect(all(left[name] == expected[name] for name in left.keys() & expected.keys()), what)
        hunt.outcomes["spoken" if done.code == 0 else "told"] += 1


def bare(hunt: Hunt) -> None:
    """In a mount namespace of its own. XNNPACK learns from /proc/cpuinfo what the processor can."""
    folder = hunt.fresh("bare")
    exact = models.exported("tiny-customvoice")
    flags = SPOKEN | {"output": folder / "out.wav", "stats_json": folder / "stats.json", "model_path": exact}
    hunt.run(**flags)
    expected = (folder / "out.wav").read_bytes()
    for what, env, hides_proc in (
        ("no environment", {}, False),
        ("HOME that is not there", {"HOME": "/no/such/folder"}, False),
        ("no /proc", None, True),
        ("neither", {}, True),
    ):
        if hides_proc:
            subprocess.run(["mount", "-t", "tmpfs", "none", "/proc"], check=True)
        for cache in (None, hunt.fresh("caches") / "cache"):
            (folder / "out.wav").unlink(missing_ok=True)
            done = hunt.run(env=env, **flags, weight_cache=cache)
            is_same = (folder / "out.wav").exists() and (folder / "out.wav").read_bytes() == expected
            is_told = done.code == 1 and "/proc" in done.said and not (folder / "out.wav").exists()
            hunt.expect(is_told if hides_proc else done.code == 0 and is_same, f"{what}, cache {cache}: {done}")
            hunt.outcomes["spoken" if is_same else "told"] += 1
        if hides_proc:
            subprocess.run(["umount", "/proc"], check=True)


JUMPING_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

/* The time of day jumps by hours with every look at it, now forward, now back. */
static long jump(void) {
  static int looks = 0;
  ++looks;
  return (looks % 2 ? 1 : -1) * 3600L * (looks % 7);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*);
  if (!real) real = (int (*)(clockid_t, struct timespec*))dlsym(RTLD_NEXT, "clock_gettime");
  const int status = real(clock, now);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) now->tv_sec += jump();
  return status;
}

time_t time(time_t* kept) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (kept) *kept = now.tv_sec;
  return now.tv_sec;
}
"""


NO_SOCKETS = r"""
#include <stdlib.h>

int socket(int domain, int type, int protocol) { (void)domain, (void)type, (void)protocol; abort(); }
int getaddrinfo(const char* node, const char* service, const void* hints, void* found) {
  (void)node, (void)service, (void)hints, (void)found;
  abort();
}
"""


def with_functions(source: str, folder: Path) -> dict[str, str]:
    """The environment of a process in which these take the place of libc's."""
    library = folder / "functions.so"
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(command, input=source, text=True, check=True)
    return {**os.environ, "LD_PRELOAD": str(library)}


def clock(hunt: Hunt) -> None:
    folder = hunt.fresh("clock")
    files: dict[str, Any] = {"output": folder / "out.wav", "stats_json": folder / "stats.json"}
    hunt.run(**SPOKEN | files)
    expected = (folder / "out.wav").read_bytes()
    done = hunt.run(env=with_functions(JUMPING_CLOCK, folder), **SPOKEN | files)
    (stats,) = json.loads((folder / "stats.json").read_text())
    times = {name: value for name, value in stats.items() if name.endswith("_ms")}
    hunt.expect(done.code == 0 and (folder / "out.wav").read_bytes() == expected, f"clock: {done}")
    hunt.expect(all(0 <= value < 1000 * PATIENCE_S for value in times.values()), f"clock: {times}")
    hunt.outcomes["spoken"] += 1


def no_network(hunt: Hunt) -> None:
    """In a network namespace of its own, where even the loopback device is down."""
    folder = hunt.fresh("network")
    flags = SPOKEN | {"stdout": "s16le"}
    devices = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    hunt.expect(devices == ["lo"], f"there is a network: {devices}")
    expected = hunt.run(**flags)
    done = hunt.run(env=with_functions(NO_SOCKETS, folder), **flags)
    hunt.expect(done.code == 0 and done.output == expected.output != b"", f"no network: {done.code}, {done.said}")
    hunt.outcomes["spoken"] += 1


SCENARIOS: dict[str, Callable[[Hunt], None]] = {
    "signals": signals,
    "lines": lines,
    "full-disk": full_disk,
    "little-memory": little_memory,
    "bare": bare,
    "clock": clock,
    "no-network": no_network,
    **fault_surroundings.SCENARIOS,
}
INSIDE = ("full-disk", "bare", "no-network", *fault_surroundings.INSIDE)  # change the system, for themselves
LONG = ("export",)  # a minute
UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "--net")


def has_namespaces() -> bool:
    """Whether this system lets anybody mount something for himself."""
    try:
        command = [*UNSHARE, "mount", "-t", "tmpfs", "none", "/proc"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def hunt_for(name: str, runner: Path, count: int, seed: int) -> tuple[list[str], str]:
    """What must not be, a line each, and a summary. `count`: moments or steps."""
    if name in INSIDE and "QWEN3_TTS_INSIDE" not in os.environ:
        words = ("--runner", str(runner), "--count", str(count), "--seed", str(seed), "--only", name)
        environment = {**os.environ, "QWEN3_TTS_INSIDE": "1", "PYTHONPATH": str(models.REPOSITORY)}
        done = subprocess.run(
            [*UNSHARE, sys.executable, __file__, *words], capture_output=True, text=True, env=environment, check=False
        )
        *found, summary = done.stdout.splitlines() or [""]
        return ([*found, done.stderr] if done.returncode else []), summary.removeprefix(f"{name}: ")
    with tempfile.TemporaryDirectory() as folder:
        hunt = Hunt(runner.resolve(), Path(folder), count, random.Random(seed))
        SCENARIOS[name](hunt)
    return hunt.faults, ", ".join(f"{number} x {outcome}" for outcome, number in sorted(hunt.outcomes.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", type=Path, default=models.REPOSITORY / "build" / "cpu" / "qwen3_tts_runner")
    parser.add_argument("--only", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="these alone")
    parser.add_argument("--count", type=int, default=50, help="moments, or most steps, of each (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=26)
    args = parser.parse_args()
    all_faults = []
    for name in args.only:
        if name in INSIDE and "QWEN3_TTS_INSIDE" not in os.environ and not has_namespaces():
            print(f"{name}: left out, because this system has no user namespaces", flush=True)
            continue
        faults, summary = hunt_for(name, args.runner, args.count, args.seed)
        for fault in faults:
            print(fault)
        print(f"{name}: {summary}", flush=True)
        all_faults += faults
    sys.exit(bool(all_faults))


if __name__ == "__main__":
    main()
