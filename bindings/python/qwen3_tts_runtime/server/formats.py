"""Samples to the bytes of a sound file, as clients name its formats."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime.audio import Encoder, to_pcm16

WAV_HEADER = 44  # bytes
SLOWEST, FASTEST = 0.5, 2.0

Name = Literal["mp3", "opus", "flac", "wav", "pcm"]


@dataclass(frozen=True)
class Format:
    """`container`: what the library calls it. PCM is a WAV without its header."""

    name: Name
    media_type: str
    container: Literal["mp3", "opus", "flac", "wav"]


FORMATS = {
    format.name: format
    for format in (
        Format("mp3", "audio/mpeg", "mp3"),
        Format("opus", "audio/ogg", "opus"),
        Format("flac", "audio/flac", "flac"),
        Format("wav", "audio/wav", "wav"),
        Format("pcm", "audio/pcm", "wav"),
    )
}


class SoundStream:
    """One sound, as it grows."""

    def __init__(self, format: Format, sample_rate: int, speed: float) -> None:
        """`sample_rate` in Hz. `speed`: 0.5 to 2."""
        is_plain = format.name == "pcm" and speed == 1
        self._encoder = None if is_plain else Encoder(sample_rate, format.container, speed=speed)
        self._to_skip = WAV_HEADER if format.name == "pcm" else 0

    def write(self, samples: NDArray[np.float32]) -> bytes:
        """What samples [n] add to it: often nothing."""
        if self._encoder is None:
            return to_pcm16(samples).tobytes()
        return self._without_header(self._encoder.write(samples))

    def finish(self) -> bytes:
        """The rest."""
        return self._without_header(self._encoder.finish()) if self._encoder else b""

    def close(self) -> None:
        if self._encoder:
            self._encoder.close()

    def _without_header(self, part: bytes) -> bytes:
        skipped = min(self._to_skip, len(part))
        self._to_skip -= skipped
        return part[skipped:]
