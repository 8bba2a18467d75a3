"""The teacher's speech (teacher.py) in memory, and crops of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FRAME, PHONEME_HOP = 1920, 300
LABELS = 4  # phoneme labels of a frame, 20 ms apart
FULL_SCALE = 32768
UNKNOWN = 255  # in place of a word


def frame_labels(shard: Mapping[str, np.ndarray]) -> np.ndarray:
    """The phonemes at LABELS moments of every codec frame: [frames, LABELS] uint8."""
    found, begin = [], 0
    for size in np.diff(shard["starts"]):
        phonemes = shard["phonemes"][begin : begin + size // PHONEME_HOP]
        moments = np.arange(0, size, FRAME // LABELS) + FRAME // LABELS // 2
        found.append(phonemes[np.minimum(moments // PHONEME_HOP, len(phonemes) - 1)].reshape(-1, LABELS))
        begin += len(phonemes)
    return np.concatenate(found)


def frame_words(words: np.ndarray, frames: int, shift: int) -> np.ndarray:
    """First and last word of every frame, [frames, 2], of a sentence's `words` (teacher.py) and speech that begins
    `shift` samples later."""
    begins = np.arange(frames) * FRAME + shift
    places = [np.minimum(moment // PHONEME_HOP, len(words) - 1) for moment in (begins, begins + FRAME - 1)]
    return np.stack([words[place] for place in places], axis=1)


class Speech:
    """Shards of one part (train, eval or gate), one behind the other."""

    def __init__(self, folder: Path, part: str, shards: int | None = None):
        paths = sorted(folder.glob(f"{part}-[0-9]*.npz"))[:shards]
        if not paths:
            raise SystemExit(f"{folder}: no {part}-*.npz; run teacher.py first")
        loaded = [np.load(path) for path in paths]
        self.samples = np.concatenate([shard["samples"] for shard in loaded], axis=1)  # [voices, N] int16
        self.labels = np.concatenate([frame_labels(shard) for shard in loaded])  # [N / 1920, LABELS]
        self.text = [str(text) for shard in loaded for text in shard["text"]]
        ends = np.concatenate([np.diff(shard["starts"]) for shard in loaded]).cumsum()
        self.starts = np.concatenate([[0], ends])  # [sentences + 1]
        self.num_voices = len(self.samples)

    def __len__(self) -> int:
        return len(self.text)

    def sentence(self, voice: int, index: int) -> np.ndarray:
        """Samples [N] fp32."""
        return self.samples[voice, self.starts[index] : self.starts[index + 1]].astype(np.float32) / FULL_SCALE

    def crops(self, size: int, frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """`size` random crops: samples [size, frames * 1920], phoneme labels [size, frames, LABELS]."""
        total = self.samples.shape[1] // FRAME
        firsts = rng.integers(0, total - frames, size)
        voices = rng.integers(0, self.num_voices, size)
        sounds = np.stack([self.samples[v, f * FRAME : (f + frames) * FRAME] for v, f in zip(voices, firsts)]).astype(
            np.float32
        )
        labels = np.stack([self.labels[f : f + frames] for f in firsts]).astype(np.int64)
        return torch.from_numpy(sounds / FULL_SCALE), torch.from_numpy(labels)

    def sentences(self) -> Iterator[tuple[int, int]]:
        """(voice, index) of every sentence."""
        return ((voice, index) for voice in range(self.num_voices) for index in range(len(self)))
