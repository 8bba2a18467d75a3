"""What listens beside judges.py: a detector of voice activity, and an encoder of speakers. Sound is fp32 at 24 kHz."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from judges import resample_to_16k

Samples = NDArray[np.float32]
Vector = NDArray[np.float32]

SHORTEST_PAUSE_MS = 200
PADDING_MS = 50
SAMPLE_RATE = 16000
WINDOW, STEP, BANDS = 400, 160, 40  # of the mel spectrogram
PART, PART_STEP = 160, 77  # rows that the encoder hears at a time
SIZE, LAYERS = 256, 3
LOUDNESS = -30.0  # dBFS that softer recordings are raised to
LINEAR_HZ, LOG_STEP, BREAK_MEL = 200 / 3, np.log(6.4) / 27, 15.0  # Slaney's scale: linear up to 1000 Hz


def share_of_speech(samples: Samples) -> float:
    """By Silero's voice activity detection: 0 for noise and silence. Raises ImportError without faster-whisper."""
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    sound = resample_to_16k(samples)
    options = VadOptions(min_silence_duration_ms=SHORTEST_PAUSE_MS, speech_pad_ms=PADDING_MS)
    pieces: list[dict[str, Any]] = get_speech_timestamps(sound, options)
    return sum(piece["end"] - piece["start"] for piece in pieces) / max(1, len(sound))


class SpeakerEncoder(nn.Module):
    """The encoder of Resemblyzer 0.1.4 (Apache-2.0), from the weights that its package carries.

    Only the weights are read: the package itself wants a detector and a resampler of its own. Utterances of one speaker
    are 0.8 to 0.95 similar, those of two speakers mostly below 0.7.
    """

    def __init__(self) -> None:
        """Raises ImportError when the package is not installed."""
        super().__init__()
        found = find_spec("resemblyzer")
        if found is None or found.origin is None:
            raise ImportError("resemblyzer is not installed")
        self.lstm = nn.LSTM(BANDS, SIZE, LAYERS, batch_first=True)
        self.linear = nn.Linear(SIZE, SIZE)
        weights = torch.load(Path(found.origin).with_name("pretrained.pt"), map_location="cpu", weights_only=True)
        state = weights["model_state"]
        self.load_state_dict({name: state[name] for name in self.state_dict()})
        self.eval()

    @torch.no_grad()
    def embed(self, samples: Samples) -> Vector:
        """[256] of length 1: the mean over overlapping parts of 1.6 s."""
        rows = mel_rows(raised(torch.from_numpy(resample_to_16k(samples))))
        if len(rows) < PART:
            rows = nn.functional.pad(rows, (0, 0, 0, PART - len(rows)))
        parts = rows.unfold(0, PART, PART_STEP).transpose(1, 2)  # [parts, PART, BANDS]
        _, (hidden, _) = self.lstm(parts)
        vectors = nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)
        mean: Vector = nn.functional.normalize(vectors.mean(0), dim=0).numpy()
        return mean


def raised(sound: Tensor) -> Tensor:
    """Softer sound as loud as the encoder knows it."""
    level = 10 * torch.log10(sound.square().mean().clamp_min(1e-12))
    return sound * 10 ** ((LOUDNESS - level).clamp_min(0) / 20)


def mel_rows(sound: Tensor) -> Tensor:
    """[n] at 16 kHz -> [rows, BANDS], powers."""
    spectrum = torch.stft(
        sound, WINDOW, STEP, window=torch.hann_window(WINDOW), return_complex=True, pad_mode="constant"
    )
    return (mel_filters() @ spectrum.abs().square()).T


def mel_filters() -> Tensor:
    """[BANDS, WINDOW / 2 + 1]: triangles of equal area, Slaney's."""
    edges = hertz(np.linspace(0, mel(SAMPLE_RATE / 2), BANDS + 2))
    bins = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    left, middle, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - left) / (middle - left), (right - bins) / (right - middle)).clip(0)
    return torch.from_numpy((triangles * 2 / (right - left)).astype(np.float32))


def mel(hz: float) -> float:
    return hz / LINEAR_HZ if hz < 1000 else BREAK_MEL + float(np.log(hz / 1000) / LOG_STEP)


def hertz(mels: NDArray[Any]) -> NDArray[Any]:
    return np.where(mels < BREAK_MEL, mels * LINEAR_HZ, 1000 * np.exp(LOG_STEP * (mels - BREAK_MEL)))
