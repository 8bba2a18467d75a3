"""What a measurement was made on: processor, memory, system and versions."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from measuring import run

# Those that kernels of matrix products and convolutions are chosen by, as Linux calls them.
INSTRUCTION_SETS = (
    "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16",
    "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip
PACKAGES = ("executorch", "torch", "torchao")


def machine() -> dict[str, Any]:
    flags = set((cpu_field("flags") or cpu_field("Features")).split())
    return {
        "processor": cpu_field("model name") or platform.processor() or platform.machine(),
        "generation": generation(cpu_field("vendor_id"), cpu_field("cpu family"), flags),
        "family_model_stepping": [cpu_field(name) for name in ("cpu family", "model", "stepping")],
        "instruction_sets": [name for name in INSTRUCTION_SETS if name in flags],
        "caches": caches(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0,
        "memory_gb": round(int((field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) * 1024 / 1e9, 1),
        "system": system(),
        "load_average_at_start": os.getloadavg()[0],
    }


def system() -> str:
    """Such as "Linux 6.1.0 x86_64, glibc 2.36": what reports show, without what a kernel of one's own is called."""
    library = " ".join(platform.libc_ver()).strip()
    kernel = f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}"
    return f"{kernel}, {library}" if library else kernel


def generation(vendor: str, family: str, flags: set[str]) -> str:
    """Where the processor's name hides it, as virtual machines' do: AMD's, by family. "" for others."""
    if vendor != "AuthenticAMD":
        return ""
    zen3_or_4 = "Zen 4" if "avx512f" in flags else "Zen 3"
    zen1_or_2 = "Zen 2" if "rdpid" in flags else "Zen 1"
    return {"23": zen1_or_2, "25": zen3_or_4, "26": "Zen 5"}.get(family, "")


def caches() -> dict[str, str]:
    """Of the first core: "L2 Unified" -> "1024K"."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text().strip() for name in ("level", "type", "size"))
        sizes[f"L{level} {kind}"] = size
    return sizes


def versions(runner: Path, repository: Path) -> dict[str, str]:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=repository, capture_output=True, text=True, check=False
    )
    return {
        "runner": run([runner, "--version"]).stdout.strip(),
        "commit": git.stdout.strip(),
        "python": platform.python_version(),
        **{name: installed(name) for name in PACKAGES},
    }


def installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def cpu_field(name: str) -> str:
    return field("/proc/cpuinfo", name)


def field(file: str, name: str) -> str:
    """The value of the first line "name: value"; "" when there is none."""
    path = Path(file)
    found = re.search(rf"^{name}\s*:\s*(.*)$", path.read_text() if path.exists() else "", re.M)
    return found[1] if found else ""
