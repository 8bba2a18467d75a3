"""Turns the speech into codes with the trained codec encoder: what the talker and the waveform decoder learn from.

    python demo_voice/train/encode.py --speech DIR/speech --codes DIR/codes --out DIR/frames

DIR/frames/{train,eval,gate}-NNN.npz, one for each shard of speech; those that are there already are kept:
  codes [SHIFTS, voices, frames, groups] uint8, sentences in a row; starts [sentences + 1] int64, in frames

Each sentence is encoded SHIFTS times, begun 0, 20, 40 and 60 ms later: the same speech in other frames. Without it a
talker learns the codes of its twenty thousand sentences by heart (its loss on others rose after 2000 steps).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

import layout
from speech import FRAME, FULL_SCALE, LABELS
from train_codes import Codes

BATCH = 32
SHIFTS, SHIFT = LABELS, FRAME // LABELS  # samples; a shift is one phoneme label


def encode_shard(model: Codes, path: Path) -> dict[str, np.ndarray]:
    shard = np.load(path)
    samples, starts = shard["samples"], shard["starts"] // FRAME
    codes = [encode_sentences(model, samples, starts, shift * SHIFT) for shift in range(SHIFTS)]
    return {"codes": np.stack(codes), "starts": starts}


@torch.no_grad()
def encode_sentences(model: Codes, samples: np.ndarray, starts: np.ndarray, shift: int) -> np.ndarray:
    """Each from `shift` samples after its beginning; zeros behind it change a few milliseconds of its last frame."""
    codes = np.zeros((len(samples), int(starts[-1]), layout.GROUPS), np.uint8)
    jobs = [(voice, index) for voice in range(len(samples)) for index in range(len(starts) - 1)]
    jobs.sort(key=lambda job: starts[job[1] + 1] - starts[job[1]])
    for first in range(0, len(jobs), BATCH):
        batch = jobs[first : first + BATCH]
        longest = max(int(starts[index + 1] - starts[index]) for _, index in batch)
        sounds = np.zeros((len(batch), longest * FRAME), np.float32)
        for row, (voice, index) in enumerate(batch):
            sound = samples[voice, starts[index] * FRAME + shift : starts[index + 1] * FRAME]
            sounds[row, : len(sound)] = sound.astype(np.float32) / FULL_SCALE
        found = model.codes(torch.from_numpy(sounds)).numpy().astype(np.uint8)
        for row, (voice, index) in enumerate(batch):
            codes[voice, starts[index] : starts[index + 1]] = found[row, : starts[index + 1] - starts[index]]
    return codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="the run of train_codes.py")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--shards", type=int, help="of the training speech (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = Codes().eval()
    model.load_state_dict(torch.load(args.codes / "state.pt", weights_only=True)["model"])
    args.out.mkdir(parents=True, exist_ok=True)
    paths = [path for part in ("gate", "eval") for path in sorted(args.speech.glob(f"{part}-[0-9]*.npz"))]
    paths += sorted(args.speech.glob("train-[0-9]*.npz"))[: args.shards]
    for path in track(paths, "shards", console=Console(stderr=True)):
        target = args.out / path.name
        if not target.exists():
            unfinished = target.with_suffix(".tmp.npz")
            np.savez(unfinished, **encode_shard(model, path))  # type: ignore[arg-type]  # numpy's stub
            unfinished.replace(target)


if __name__ == "__main__":
    main()
