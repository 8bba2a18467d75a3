"""Trains the codec's quantizers and the first half of its decoder: what codes mean.

    python demo_voice/train/train_codes.py --speech DIR/speech --out DIR/codes [--steps 8000]

The decoder's rows, 50 a second, learn to say the sound's spectrum through two linear layers that are thrown away
afterwards. No waveform is made, which would cost most of the time; train_waves.py does that, with the codes as they
are then, so that the talker can learn them meanwhile. Code 0 also has to say the phonemes: it is the one that the
talker picks from the text. Interrupted, it goes on from DIR/codes/state.pt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import layout
from codec_decoder import CausalConv, CodecDecoder, initialize
from codec_encoder import CodecEncoder
from progress import Run, schedule, set_rate
from speech import FRAME, LABELS, Speech

BATCH, CROP = 10, 25  # crops of a step, frames of a crop
RATE, WARMUP = 1.5e-3, 200
REPORT, SAVE = 50, 250
SEED = 1
PHONEMES = 256  # ids of the teacher's alphabet are below
FFT, HOP = 1024, 240
LOW_BINS = 170  # below 4 kHz, where harmonics show the pitch
MEL_BINS = 80
FLOOR = 5e-4  # of magnitudes; the teacher's noise is below
MEAN, DEVIATION = -6.0, 1.5  # of log spectra, about
WIDTH = 256
COMMITMENT, PHONETIC = 0.05, 0.2
LATER = ("decoder.decoder.", "encoder.encoder", "encoder.downsample.")  # parameters that other programs train
SHORTENED = 0.3  # share of crops whose last levels are left out, so that the first ones say the most
SHORT_LEVELS = (1, 2, 4, 8)
# Quantized from the first step, the vectors shrink to half a dozen dimensions, and half of the words are lost; so they
# are left exact at first, and half of the time afterwards (Défossez et al. 2024, Moshi, arXiv:2410.00037).
EXACT_BEGINNING, EXACT = 0.125, 0.5  # shares of the steps, and of the crops of later ones
LOW_WEIGHT = 0.5


class Spectrum(nn.Module):
    """Log mel and log low-frequency magnitudes, 100 a second: [B, N] -> [B, N / 240, MEL_BINS + LOW_BINS]."""

    mel: Tensor  # [bins, MEL_BINS]
    window: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mel", mel_filters(FFT // 2 + 1, MEL_BINS), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        padded = F.pad(samples, ((FFT - HOP) // 2, (FFT - HOP) // 2))
        magnitudes = torch.stft(padded, FFT, HOP, window=self.window, center=False, return_complex=True).abs()
        magnitudes = magnitudes.transpose(1, 2) / (FFT / 4)
        low = magnitudes[..., :LOW_BINS]
        return torch.cat([(magnitudes @ self.mel + FLOOR).log(), (low + FLOOR).log()], dim=-1)


def mel_filters(bins: int, filters: int) -> Tensor:
    """Triangles that add up to one mean each, evenly on the mel scale from 40 Hz to 12 kHz: [bins, filters]."""
    edges = torch.linspace(mel(40.0), mel(12000.0), filters + 2)
    places = torch.tensor([mel(12000.0 * i / (bins - 1)) for i in range(bins)])[:, None]
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    triangles = torch.minimum(rising, falling).clamp(min=0) + 1e-6
    return triangles / triangles.sum(0)


def mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


class SpectrumEncoder(nn.Module):
    """Log spectra of a frame, and of the two before, to what the quantizers read: [B, 8 T, bins] -> [B, hidden, T]."""

    def __init__(self, hidden: int):
        super().__init__()
        inputs = FRAME // HOP * (MEL_BINS + LOW_BINS)
        self.reduce = CausalConv(inputs, WIDTH, 3)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))
            for _ in range(2)
        )
        self.expand = nn.Linear(WIDTH, hidden)
        self.apply(initialize)

    def forward(self, spectrum: Tensor) -> Tensor:
        frames = ((spectrum - MEAN) / DEVIATION).unflatten(1, (-1, FRAME // HOP)).flatten(2)
        x = self.reduce(frames.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = x + block(x)
        y: Tensor = self.expand(x)
        return y.transpose(1, 2)


class Codes(nn.Module):
    """Sound to codes to spectrum.

    The codes are found in spectra: the published encoder begins with the waveform, and as narrow as it is here it does
    not learn to (after 5000 steps half of the words were lost). It learns to say the same vectors in train_encoder.py.
    """

    def __init__(self) -> None:
        super().__init__()
        decoder = layout.CODEC["decoder_config"]
        vector, total = layout.CODEC["encoder_config"]["codebook_dim"], decoder["codebook_dim"]
        self.target, self.spectrum_encoder = Spectrum(), SpectrumEncoder(layout.CODEC["encoder_config"]["hidden_size"])
        self.encoder = CodecEncoder(layout.CODEC["encoder_config"])
        self.first_proj, self.rest_proj = (nn.Conv1d(vector, total, 1, bias=False) for _ in range(2))
        self.decoder = CodecDecoder(decoder)
        self.spectrum_head = nn.Linear(decoder["latent_dim"], 2 * (MEL_BINS + LOW_BINS))
        self.phoneme_head = nn.Linear(vector, LABELS * PHONEMES)
        for part in (self.first_proj, self.rest_proj):
            part.apply(initialize)

    def rows(
        self, samples: Tensor, kept: Tensor | None = None, exact: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(decoder rows [B, latent, 4 T], code 0's vectors [B, D, T], codes [B, T, groups], distance to the codes).

        kept and exact [B]: see ResidualQuantizer.
        """
        x = self.spectrum_encoder(self.target(samples))
        semantic, acoustic = self.encoder.quantizers()
        first, first_codes, first_loss = semantic(x, exact=exact)
        rest, rest_codes, rest_loss = acoustic(x, kept, exact)
        rows = self.decoder.rows(self.first_proj(first) + self.rest_proj(rest))
        return rows, first, torch.cat([first_codes, rest_codes], dim=-1), first_loss + rest_loss

    def codes(self, samples: Tensor) -> Tensor:
        """[B, T * 1920] -> [B, T, groups]"""
        x = self.spectrum_encoder(self.target(samples))
        return torch.cat([quantizer(x)[1] for quantizer in self.encoder.quantizers()], dim=-1)

    def spectrum(self, rows: Tensor) -> Tensor:
        """[B, latent, R] -> [B, 2 R, MEL_BINS + LOW_BINS]"""
        return self.spectrum_head(rows.transpose(1, 2)).unflatten(-1, (2, -1)).flatten(1, 2)

    def phonemes(self, first: Tensor) -> Tensor:
        """[B, D, T] -> [B, T, LABELS, PHONEMES]"""
        return self.phoneme_head(first.transpose(1, 2)).unflatten(-1, (LABELS, PHONEMES))


def spectrum_loss(said: Tensor, true: Tensor) -> Tensor:
    difference = (said - true).abs()
    return difference[..., :MEL_BINS].mean() + LOW_WEIGHT * difference[..., MEL_BINS:].mean()


def losses(
    model: Codes, target: Spectrum, samples: Tensor, labels: Tensor, quantized: tuple[Tensor, Tensor]
) -> dict[str, Tensor]:
    rows, first, _, distance = model.rows(samples, *quantized)
    spectrum = spectrum_loss(model.spectrum(rows), target(samples))
    phonetic = F.cross_entropy(model.phonemes(first).flatten(0, 2), labels.flatten())
    return {"spectrum": spectrum, "phonetic": phonetic, "distance": distance}


def how_quantized(rng: np.random.Generator, is_beginning: bool, levels: int) -> tuple[Tensor, Tensor]:
    """Of each crop of a batch: the levels that are kept, and whether it is left exact."""
    kept = np.where(rng.random(BATCH) < SHORTENED, rng.choice(SHORT_LEVELS, BATCH), levels)
    exact = rng.random(BATCH) < (1.0 if is_beginning else EXACT)
    return torch.from_numpy(kept), torch.from_numpy(exact)


@torch.no_grad()
def evaluate(model: Codes, target: Spectrum, speech: Speech) -> dict[str, float]:
    """Mean spectrum loss on held-out crops, phonemes right, and how evenly the levels use their codes (perplexity)."""
    model.eval()
    samples, labels = speech.crops(32, CROP, np.random.default_rng(SEED))
    true = target(samples)
    rows, first, codes, _ = model.rows(samples)
    spectrum = float(spectrum_loss(model.spectrum(rows), true))
    exact_rows, *_ = model.rows(samples, exact=torch.ones(len(samples), dtype=torch.bool))
    exact = float(spectrum_loss(model.spectrum(exact_rows), true))
    right = float((model.phonemes(first).argmax(-1) == labels).float().mean())
    perplexities = []
    for level in range(codes.shape[-1]):
        shares = torch.bincount(codes[..., level].flatten(), minlength=layout.CODES).float()
        shares /= shares.sum()
        perplexities.append(float(torch.exp(-(shares * (shares + 1e-9).log()).sum())))
    model.train()
    return {
        "held-out spectrum": spectrum, "unquantized": exact, "phonemes right": right, "perplexity 0": perplexities[0],
        "perplexity 1": perplexities[1], "perplexity last": perplexities[-1],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--steps", type=int, default=8000, help="(default: %(default)s)")
    parser.add_argument("--shards", type=int, default=12, help="of the speech to read (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    speech, held_out = Speech(args.speech, "train", args.shards), Speech(args.speech, "eval")
    model, target = Codes(), Spectrum()
    used = [parameter for name, parameter in model.named_parameters() if not name.startswith(LATER)]
    optimizer = torch.optim.AdamW(used, RATE, betas=(0.8, 0.99), weight_decay=0.01)
    run = Run(args.out, {"model": model, "optimizer": optimizer})
    levels = layout.GROUPS - 1
    while run.step < args.steps:
        rng = np.random.default_rng((SEED, run.step))
        torch.manual_seed(run.step)
        set_rate(optimizer, RATE * schedule(run.step, args.steps, WARMUP))
        samples, labels = speech.crops(BATCH, CROP, rng)
        values = losses(
            model, target, samples, labels, how_quantized(rng, run.step < EXACT_BEGINNING * args.steps, levels)
        )
        total = values["spectrum"] + PHONETIC * values["phonetic"] + COMMITMENT * values["distance"]
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(used, 1.0)
        optimizer.step()
        run.record({name: value.item() for name, value in values.items()}, REPORT)
        if run.step % SAVE == 0:
            run.save()
            print(
                "  ".join(f"{name} {value:.3f}" for name, value in evaluate(model, target, held_out).items()),
                flush=True,
            )
    run.save()


if __name__ == "__main__":
    main()
