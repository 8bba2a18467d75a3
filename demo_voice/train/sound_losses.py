"""How far a made sound is from the true one: spectra at several resolutions, and networks that learn to tell.

Spectra as in Yamamoto et al. 2020 (Parallel WaveGAN, arXiv:1910.11480); the discriminators look at spectrograms as in
Jang et al. 2021 (UnivNet, arXiv:2106.07889), with least-squares losses (Mao et al. 2017) and feature matching.
Sounds are [B, N].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

RESOLUTIONS = (256, 512, 1024, 2048)
FLOOR = 1e-4
JUDGED = (512, 1024, 2048)
CHANNELS = 16


class Magnitudes(nn.Module):
    """|STFT| of a Hann window: [B, N] -> [B, frames, bins]; a sine's peak is about its amplitude."""

    window: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.stft(x, self.size, self.size // 4, window=self.window, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()  # abs() has no gradient at zero
        return (power + 1e-10).sqrt().transpose(1, 2) / (self.size / 4)


class SpectrumLoss(nn.Module):
    """Of all resolutions: L1 of the logarithms, and how much of the true spectrum is missed."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(Magnitudes(size) for size in RESOLUTIONS)

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        total = torch.zeros(())
        for scale in self.scales:
            a, b = scale(made), scale(true)
            total = total + F.l1_loss((a + FLOOR).log(), (b + FLOOR).log())
            total = total + (a - b).square().sum().sqrt() / b.square().sum().sqrt()
        return total / len(self.scales)


class SpectrumJudge(nn.Module):
    """Scores of pieces of a spectrogram, and the features that led to them."""

    def __init__(self, size: int):
        super().__init__()
        self.magnitudes = Magnitudes(size)
        widths = [1, CHANNELS, CHANNELS, CHANNELS, CHANNELS]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, (3, 7), (1, 2), (1, 3))) for a, b in zip(widths, widths[1:])
        )
        self.layers.append(weight_norm(nn.Conv2d(CHANNELS, CHANNELS, (3, 3), padding=1)))
        self.score = weight_norm(nn.Conv2d(CHANNELS, 1, (3, 3), padding=1))

    def forward(self, x: Tensor) -> list[Tensor]:
        y = (self.magnitudes(x)[:, None] + FLOOR).log() * 0.3 + 1
        features = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.1)
            features.append(y)
        return [*features, self.score(y)]


class Judges(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.judges = nn.ModuleList(SpectrumJudge(size) for size in JUDGED)

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        return [judge(x) for judge in self.judges]


def judging_loss(made: list[list[Tensor]], true: list[list[Tensor]]) -> Tensor:
    """What the judges minimize: true sounds score one, made ones zero."""
    pairs = zip(made, true)
    return torch.stack([a[-1].square().mean() + (b[-1] - 1).square().mean() for a, b in pairs]).mean()


def fooling_losses(made: list[list[Tensor]], true: list[list[Tensor]]) -> tuple[Tensor, Tensor]:
    """What the decoder minimizes: its sounds score one, and look like the true ones inside the judges."""
    fooled = torch.stack([(a[-1] - 1).square().mean() for a in made]).mean()
    matched = torch.stack(
        [F.l1_loss(x, y.detach()) / y.detach().abs().mean() for a, b in zip(made, true) for x, y in zip(a[:-1], b[:-1])]
    ).mean()
    return fooled, matched
