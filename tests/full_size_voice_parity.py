#!/usr/bin/env python3
"""Full-size parity of the voice encoders: the reference package against the exported program and qwen3_tts_voice.

    python tests/full_size_voice_parity.py --reference .reference-venv/bin/python [--size 0.6b-base]

Makes a random checkpoint, runs the recordings of tests/golden/recordings in the reference, and compares x-vectors and
codes of the fp32 program, called from Python and through qwen3_tts_voice; of the int8 one they are printed. Takes
minutes, up to 6 GB of memory and 6 GB of disk.
Everything goes to build/full-size and is made once.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import golden_cases
import runner_program
from full_size_parity import FOLDER, REPOSITORY, make_checkpoint, run
from qwen3_tts.voice import Voice
from voice_cases import NAMES, SAFE_MARGIN, VoiceGolden, VoiceProgram, cosine

QUANTIZATIONS = ("none", "8da8w")
LEAST_COSINE = 0.9999


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="Python of the reference package's environment")
    parser.add_argument("--size", default="0.6b-base", help="a Base size (default: %(default)s)")
    parser.add_argument("--voice-maker", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_voice")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    return parser.parse_args()


def make(args: argparse.Namespace) -> Path:
    """The folder with the golden files and voice_encoder-<quantization>.pte."""
    checkpoint, snapshot = make_checkpoint(args.folder, args.size), args.folder / args.size
    voices = args.folder / f"{args.size}-voices"
    voices.mkdir(parents=True, exist_ok=True)
    if not all((voices / f"voice_{name}.npz").exists() for name in NAMES):
        golden = ("tests/golden/make_voice_golden.py", "--snapshot", snapshot, "--output", voices)
        run(args.reference, *golden, "--threads", "2")
    for quantization in QUANTIZATIONS:
        output = voices / f"voice_encoder-{quantization}.pte"
        if not output.exists():
            flags = ("--voice-encoder", output, "--qlinear-voice-encoder", quantization)
            run(sys.executable, "export_unified.py", "--checkpoint", checkpoint, *flags)
    return voices


Encoded = tuple[Tensor, NDArray[np.int32]]  # x-vector [H], codes [T, G]


def encode(program: VoiceProgram, golden: VoiceGolden) -> Encoded:
    return program.encode_speaker(golden.samples), program.encode(golden.samples).numpy()


def create(voice_maker: Path, encoder: Path, golden: VoiceGolden) -> Encoded:
    """The same through the C++ program, from the recording's file."""
    output = encoder.with_suffix(".voice")
    recording = golden_cases.FOLDER / "recordings" / golden.meta["recording"]
    flags = {"voice_encoder_path": encoder, "audio": recording, "text": "Any words.", "output": output}
    done = runner_program.call(voice_maker, words=("create",), **flags)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    voice = Voice.load(output)
    assert voice.codes is not None
    return torch.from_numpy(voice.x_vector), voice.codes


def compare(encoded: Encoded, golden: VoiceGolden, label: str) -> bool:
    """Print how a recording compares; true when it is as exact as an fp32 program must be."""
    x_vector, codes = encoded
    similarity = cosine(x_vector, golden.x_vector)
    equal = codes == golden.codes
    certain = np.logical_and.accumulate(golden.code_margins >= SAFE_MARGIN, axis=1)  # a level follows from those before
    print(
        f"{label}: x-vector cosine 1 - {1 - similarity:.1e}; {equal.sum()} of {equal.size} codes equal, code 0 in "
        f"{equal[:, 0].sum()} of {len(equal)} frames; {golden.doubtful_codes()} margins below {SAFE_MARGIN:.0e}"
    )
    return similarity >= LEAST_COSINE and bool(equal[certain].all())


def main() -> int:
    args = parse_args()
    voices = make(args)
    results = []
    for quantization in QUANTIZATIONS:
        encoder = voices / f"voice_encoder-{quantization}.pte"
        program = VoiceProgram(encoder)
        for name in NAMES:
            golden = VoiceGolden.load(name, voices)
            exact = [
                compare(encode(program, golden), golden, f"{name}, {quantization}"),
                compare(create(args.voice_maker, encoder, golden), golden, f"{name}, {quantization}, in C++"),
            ]
            results += exact if quantization == "none" else []
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
