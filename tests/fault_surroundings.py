"""More scenarios of faults.py: what surrounds a process lacks something, a network, a folder to write to, memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import models
from fault_hunt import LINES, PATIENCE_S, SPOKEN, Hunt, contents

GROUPS = Path("/sys/fs/cgroup")
KILLED = -9
SPEAK = """
import sys
from qwen3_tts_runtime import Engine
with Engine(sys.argv[1]) as engine:
    speech = engine.speak("Two geese fly over the sea.", speaker="ryan", min_frames=30, max_frames=30)
sys.stdout.buffer.write(speech.samples.astype("<f4").tobytes())
"""


def devices() -> list[str]:
    return [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]


def package(hunt: Hunt) -> None:
    """In a network namespace of its own."""
    hunt.expect(devices() == ["lo"], f"there is a network: {devices()}")
    libraries = os.environ.get("QWEN3_TTS_LIBRARY_DIR", str(hunt.runner.parent))
    environment = {
        **os.environ,
        "PYTHONPATH": str(models.REPOSITORY / "bindings" / "python"),
        "QWEN3_TTS_LIBRARY_DIR": libraries,
    }
    command = [sys.executable, "-c", SPEAK, str(hunt.model)]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=PATIENCE_S, check=False)
    expected = hunt.run(**SPOKEN, stdout="f32le")
    hunt.expect(done.returncode == 0 and done.stdout == expected.output != b"", f"package: {done.stderr.decode()}")
    hunt.outcomes["spoken"] += 1


def export(hunt: Hunt) -> None:
    """In a network namespace of its own."""
    hunt.expect(devices() == ["lo"], f"there is a network: {devices()}")
    folder = hunt.fresh("export")
    name = "tiny-customvoice-small"
    row = models.EXPORTS[name]
    command: list[Any] = [sys.executable, models.REPOSITORY / "export_unified.py"]
    command += ["--checkpoint", models.checkpoint(row.size), "--output", folder / "model.pte", *row.flags]
    environment = {**os.environ, "PYTHONPATH": str(models.REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    is_same = done.returncode == 0 and (folder / "model.pte").read_bytes() == models.exported(name).read_bytes()
    hunt.expect(is_same, f"export: exit {done.returncode}, {done.stderr[-2000:]}")
    hunt.outcomes["the same bytes"] += 1


def read_only(hunt: Hunt) -> None:
    """In a mount namespace of its own."""
    disk = hunt.fresh("disk")
    prompts = hunt.folder / "lines.txt"
    prompts.write_text("\n".join(LINES[:3]))
    elsewhere = {"output": hunt.folder / "elsewhere.wav"}
    ways: dict[str, dict[str, Any]] = {
        "wav": {"output": disk / "out.wav"},
        "flac": {"output": disk / "out.flac"},
        "codes": {"codes_only": True, "codes_output": disk / "out.codes"},
        "statistics": {**elsewhere, "stats_json": disk / "stats.json"},
        "lines": {"prompts_path": prompts, "output_dir": disk / "new", "text": None, "batch": 2},
        "profile": {**elsewhere, "profile": disk / "profile.etdp"},
        "weight cache": {
            **elsewhere,
            "weight_cache": disk / "cache",
            "model_path": models.exported("tiny-customvoice"),
        },
    }
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "none", disk], check=True)
    for way, flags in ways.items():
        done = hunt.run(**SPOKEN | flags)
        what = f"{way} on a read-only disk: exit {done.code}, said {done.said!r}"
        hunt.expect(done.code == 1 and "Read-only file system" in done.said and str(disk) in done.said, what)
        hunt.expect(done.said.count("\n") == 1 and "std::" not in done.said, what)
        hunt.expect(not contents(disk), what)
        hunt.outcomes["told"] += 1
    subprocess.run(["umount", disk], check=True)


@contextmanager
def memory_group(num_bytes: int) -> Iterator[list[str] | None]:
    """Words that run a program in a control group with this limit; None where nobody here may make one."""
    is_old = (GROUPS / "memory").is_dir()  # version 1, a tree for each resource
    group = (GROUPS / "memory" if is_old else GROUPS) / f"qwen3-tts-faults-{os.getpid()}"
    limits = {"memory.limit_in_bytes": num_bytes, "memory.memsw.limit_in_bytes": num_bytes}
    if not is_old:
        limits = {"memory.max": num_bytes, "memory.swap.max": 0}
    try:
        group.mkdir()
    except OSError:
        yield None
        return
    try:
        for name in limits:
            if (group / name).exists():
                (group / name).write_text(str(limits[name]))
        is_limited = (group / next(iter(limits))).exists()  # version 2: the parent may not hand this resource down
        yield ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs")] if is_limited else None
    finally:
        group.rmdir()


def memory_limits(hunt: Hunt) -> None:
    """What a container's limit does: the system kills, without a word, who needs more."""
    prompts = hunt.folder / "lines.txt"
    prompts.write_text("\n".join(LINES[:4]))
    common: dict[str, Any] = {"prompts_path": prompts, "speaker": "ryan", "max_frames": 8, "batch": 4, "quiet": True}
    expected = hunt.whole(**common)
    for index in range(hunt.count):
        kibibytes = 1024 + index * 8192 // hunt.count
        folder = hunt.fresh("memory")
        with memory_group(kibibytes << 10) as words:
            if words is None:
                hunt.outcomes["left out: no control group can be made here"] += 1
                return
            done = hunt.run(within=words, **common, output_dir=folder)
        left = contents(folder)
        what = f"{kibibytes} KiB: exit {done.code}, {sorted(left)}, said {done.said!r}"
        is_told = done.code == 1 and "memory" in done.said and "std::" not in done.said
        hunt.expect(done.code == KILLED or is_told or (done.code == 0 and left == expected), what)
        hunt.expect(all(left[name] == expected[name] for name in left.keys() & expected.keys()), what)
        again = hunt.run(**common, output_dir=folder, skip_existing=True)
        hunt.expect(again.code == 0 and contents(folder) == expected, f"{what}; then {again}")
        hunt.outcomes["spoken" if done.code == 0 else "killed" if done.code == KILLED else "told"] += 1


SCENARIOS: dict[str, Callable[[Hunt], None]] = {
    "package": package,
    "export": export,
    "read-only": read_only,
    "memory-group": memory_limits,
}
INSIDE = ("package", "export", "read-only")
