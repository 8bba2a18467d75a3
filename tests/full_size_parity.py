#!/usr/bin/env python3
"""Full-size fp32 parity: the reference package against the exported program through the C++ runner.

    python tests/full_size_parity.py --reference .reference-venv/bin/python [--size 0.6b-base] [--size 1.7b-customvoice]

Makes a random checkpoint of each size, runs the cases of tests/golden/full_size.json greedily in the reference and in
the runner, and compares talker tokens, codes and samples. Takes tens of minutes, up to 24 GB of memory and 30 GB of
disk; `make parity` sets the environment up. Everything goes to build/full-size and is made once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from golden_cases import SAFE_MARGIN, Golden
from runner_program import GREEDY, speak

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "build" / "full-size"
CASES = REPOSITORY / "tests" / "golden" / "full_size.json"
WAVEFORM_TOLERANCE = 1e-3


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="Python of the reference package's environment")
    parser.add_argument("--size", action="append", help="only this size (may be repeated)")
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args()


def say(*words: str | Path) -> None:
    print("==", *words, file=sys.stderr, flush=True)


def run(program: str | Path, *arguments: str | Path) -> None:
    say(*arguments)
    subprocess.run([str(program), *map(str, arguments)], check=True, cwd=REPOSITORY)


def make_checkpoint(folder: Path, size: str) -> Path:
    """A random checkpoint of `size`; its snapshot is `folder / size`."""
    snapshot, checkpoint = folder / size, folder / f"{size}-checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    if not snapshot.exists():
        run(sys.executable, "tests/random_checkpoint.py", "--size", size, "--out", snapshot)
    if not checkpoint.exists():
        run(sys.executable, "convert_weights.py", snapshot, "--output-dir", checkpoint)
    return checkpoint


def make(args: argparse.Namespace, size: str, names: list[str]) -> Path:
    """The fp32 program of `size`; the golden files of its cases beside it."""
    folder, model = args.folder, args.folder / f"{size}.pte"
    checkpoint = make_checkpoint(folder, size)
    if not all((folder / f"{name}.npz").exists() for name in names):
        selected = [argument for name in names for argument in ("--case", name)]
        golden = ("tests/golden/make_golden.py", "--cases", CASES, "--snapshots", folder, "--output", folder)
        run(args.reference, *golden, "--threads", "2", *selected)
    if not model.exists():
        run(sys.executable, "export_unified.py", "--checkpoint", checkpoint, "--output", model)
    return model


def compare(args: argparse.Namespace, golden: Golden, model: Path) -> bool:
    """Speak the case and print how it compares; true when it is as exact as it must be."""
    case, voice = golden.case, golden.voice()
    voice_file = args.folder / f"{case['name']}.voice"
    if voice is not None:
        voice.save(voice_file)
    spoken = speak(
        args.runner,
        model,
        args.folder,
        text=case["text"],
        language=case["language"],
        speaker=case.get("speaker"),
        instruct=case.get("instruct"),
        voice=voice_file if voice else None,
        text_layout=case["layout"],
        long_text="error",
        max_new_tokens=golden.token_limit(),
        threads=2,
        **GREEDY,
    )
    tokens = np.array(spoken.stats["talker_tokens"])
    exact = np.array_equal(tokens, golden["talker_tokens"]) and np.array_equal(spoken.codes, golden["codes"])
    error = np.abs(spoken.samples - golden["waveform"]).max() if exact else np.inf
    margins = np.concatenate([golden["talker_margins"], golden["code_margins"].reshape(-1)])
    print(
        f"{case['name']}: {len(golden['codes'])} frames, tokens and codes {'equal' if exact else 'DIFFER'}, "
        f"largest sample error {error:.1e}, smallest reference margin {margins.min():.1e}, "
        f"{(margins < SAFE_MARGIN).sum()} of {len(margins)} below {SAFE_MARGIN:.0e}"
    )
    return bool(exact and error <= WAVEFORM_TOLERANCE)


def main() -> int:
    args = parse_args()
    cases = json.loads(CASES.read_text(encoding="utf-8"))["cases"]
    sizes = args.size or sorted({case["size"] for case in cases})
    results = []
    for size in sizes:
        names = [case["name"] for case in cases if case["size"] == size]
        model = make(args, size, names)
        results += [compare(args, Golden.load(name, args.folder), model) for name in names]
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
