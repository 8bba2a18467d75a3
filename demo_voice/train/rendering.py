"""Speech of the teacher's vocoder parameters whose phase the codec frames know.

A frame of 80 ms holds a whole number of pitch periods, and its noise is the same 1920 random numbers every time. So the
samples of a frame follow from what is said in it and beside it, and a decoder can learn them as they are, wave by wave.

The teacher's hop of 12.5 ms becomes 13.3 ms, so that six fill a frame: the voice speaks 6.7 % slower, at its own pitch.
Parameters are [bins, hops]; the way back from a spectrum is the usual one with a window on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layout import FRAME, SAMPLE_RATE

HOPS = 6  # of a frame
HOP, WINDOW_SIZE = FRAME // HOPS, 1200  # samples
FRAME_RATE = SAMPLE_RATE / FRAME
HIGHEST = 11000.0  # Hz of the highest harmonic
LOUDEST = 7.0  # of the logarithmic spectra
VOICED = 40.0  # Hz: what is below has no pitch
FEWEST, MOST = 4, 63  # periods of a frame
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SIZE) / WINDOW_SIZE)).astype(np.float32)
NOISE = np.random.default_rng(0).standard_normal(FRAME).astype(np.float32)
NOISE_LEVEL = (WINDOW_SIZE * 3 / 8) ** 0.5  # of the spectrum of NOISE
MEAN_PITCH = 146.5  # Hz, of the teacher
PITCH_RANGE = 0.6  # times the teacher's, in octaves: waves of fewer pitches are easier to learn


@dataclass(frozen=True)
class Voice:
    pitch: float  # its mean, times the teacher's
    envelope: float  # resonances, times the teacher's


VOICES = (Voice(1.0, 1.0), Voice(0.9, 0.88))  # of layout.SPEAKERS


def fill_pitch(f0: np.ndarray) -> np.ndarray:
    """Pitch [T] in Hz with the gaps closed, geometrically."""
    voiced = f0 > VOICED
    places = np.arange(len(f0))
    return np.exp(np.interp(places, places[voiced], np.log(f0[voiced]))).astype(np.float32)


def periods(pitch: np.ndarray, voice: Voice) -> np.ndarray:
    """Pitch periods of each frame of a voice, of the teacher's pitch [frames * HOPS] in Hz."""
    pitch = MEAN_PITCH * (pitch / MEAN_PITCH) ** PITCH_RANGE * voice.pitch
    mean = pitch.reshape(-1, HOPS).mean(1) / FRAME_RATE
    return np.clip(np.round(mean), FEWEST, MOST).astype(int)


def pulses(counts: np.ndarray) -> np.ndarray:
    """Band-limited pulses [frames * 1920], a pulse at the beginning of each frame: every harmonic at amplitude one.

    The pitch goes in steps of 12.5 Hz from frame to frame. One that glides, with as many periods, sounds better
    (DistillMOS 3.8 instead of 3.5). A decoder without a basis of waves (wave_basis.py) learned nothing of it in
    400 steps; with one it has not been tried.
    """
    phase = counts[:, None] * (np.arange(FRAME) / FRAME)
    frequency = np.repeat(counts * FRAME_RATE, FRAME)
    angle = 2 * np.pi * (phase.ravel() % 1.0)
    harmonics = np.floor(HIGHEST / frequency) + 0.5
    sines = 2 * np.sin(angle / 2)
    at_pulse = np.abs(sines) <= 2e-3
    sines[at_pulse] = 1
    return np.where(at_pulse, harmonics, np.sin(harmonics * angle) / sines) - 0.5


def spectrum(samples: np.ndarray) -> np.ndarray:
    """[hops * HOP] -> [bins, hops]"""
    padded = np.pad(samples, WINDOW_SIZE // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SIZE)[::HOP][: len(samples) // HOP]
    return np.asarray(np.fft.rfft(windows.astype(np.float32) * WINDOW, axis=1).T)


def sound(spectra: np.ndarray) -> np.ndarray:
    """[bins, hops] -> [hops * HOP]"""
    windows = np.fft.irfft(spectra.T, WINDOW_SIZE, axis=1) * WINDOW
    total = np.zeros(len(windows) * HOP + WINDOW_SIZE, np.float32)
    weight = np.zeros_like(total)
    for hop, window in enumerate(windows):
        total[hop * HOP : hop * HOP + WINDOW_SIZE] += window
        weight[hop * HOP : hop * HOP + WINDOW_SIZE] += WINDOW * WINDOW
    inner = slice(WINDOW_SIZE // 2, WINDOW_SIZE // 2 + len(windows) * HOP)
    return total[inner] / np.maximum(weight[inner], 1e-6)


def render(amplitudes: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Samples [frames * 1920] fp32 of amplitudes [2, bins, frames * HOPS], of the harmonics and of the noise, and the
    pitch periods of each frame."""
    harmonic, noise = amplitudes
    voice = spectrum(pulses(counts)) / (WINDOW_SIZE / 4) * harmonic
    breath = spectrum(np.tile(NOISE, len(counts))) / NOISE_LEVEL * noise
    return np.asarray(sound(voice + breath), np.float32)
