"""What an engine has said."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime import audio


@dataclass(frozen=True, eq=False, repr=False)
class Speech:
    """A spoken text."""

    samples: NDArray[np.float32]
    """[n] mono, in [-1, 1]."""
    sample_rate: int
    """Hz."""
    stats: dict[str, Any]
    """Milliseconds and counts: `finish_reason`, `ttfa_ms`, `total_ms`, `frames`, ..."""
    codes: NDArray[np.int64]
    """[frames, code groups]: what the model said, before it became sound."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.samples.size / self.sample_rate

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a sound file: .wav (16 bits), .flac, .opus, .ogg or .mp3. A name without an ending gets a WAV.

        The file takes its place when it is complete. InvalidArgument for another ending; IoError; ImportError when the
        library has no component for other formats than WAV.
        """
        audio.save(path, [self.samples], self.sample_rate)

    def __repr__(self) -> str:
        return f"<Speech of {self.duration:.2f} s at {self.sample_rate} Hz, ended by {self.stats['finish_reason']}>"
