"""Trains the codec decoder: codes to the samples that they stand for.

    python demo_voice/train/train_waves.py --speech DIR/speech --codes DIR/codes --out DIR/waves

As the frames know their phase (rendering.py), samples are compared as they are. Interrupted, it goes on from
DIR/waves/state.pt; with more --steps it goes on as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import layout
from codec_decoder import CodecDecoder, initialize
from layout import CODES, FRAME, FULL_SCALE, GROUPS, SLOTS, SPOKEN
from progress import Run, schedule, set_rate
from sound_losses import SoundLoss
from wave_basis import Basis, begin_with, rows_of

BATCH, ROW_BATCH, CROP = 4, 16, 25  # crops of a step of either part, frames of a crop
ROWS_A_FRAME = 4
ROWS, UNHEARD_ROWS = 36, 4  # of a crop that become sound, and of those the first, whose past is missing
RATE, SAMPLES_RATE, WARMUP = 2e-3, 5e-4, 100
REPORT, SAVE = 50, 250
WAVE = 50.0  # times the loss of waves, which is that much smaller
MISHEARD = 0.25  # share of crops whose last codes are others than the true ones, as a talker's will be
BASIS_ROWS = 20000
FAINT = 0.05  # mean square of a row's numbers, whose mean is one
SEED = 2


class Speech:
    """Codes with the samples that they stand for, of one part (train, eval or gate)."""

    def __init__(self, speech: Path, codes: Path, part: str, shards: int | None = None):
        self.sentences: list[tuple[int, np.ndarray, np.ndarray]] = []  # voice, codes [T, groups], samples [T * 1920]
        self.text: list[str] = []  # of each pair of sentences
        for path in sorted(speech.glob(f"{part}-[0-9]*.npz"))[:shards]:
            spoken = np.load(path)
            begins = spoken["sample_starts"]
            if len(begins) == 1:
                continue
            samples, texts, encoded = spoken["samples"], spoken["text"], np.load(codes / path.name)
            all_codes, starts = encoded["codes"], encoded["starts"]
            for index, (begin, end) in enumerate(zip(begins, begins[1:])):
                late = index % SLOTS
                frames = slice(starts[late, index], starts[late, index + 1])
                self.text.append(str(texts[index]))
                for voice in range(len(samples)):
                    self.sentences.append((voice, all_codes[late, voice, frames], samples[voice, begin:end]))
        if not self.sentences:
            raise SystemExit(f"{speech}: no {part}-*.npz with samples; run teacher.py first")
        self.codes = np.concatenate([codes for _, codes, _ in self.sentences])
        self.samples = np.concatenate([samples for *_, samples in self.sentences])

    def crops(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """codes [size, CROP, groups] int64, samples [size, CROP * 1920]"""
        firsts = rng.integers(0, len(self.codes) - CROP, size)
        codes = np.stack([self.codes[first : first + CROP] for first in firsts]).astype(np.int64)
        sounds = np.stack([self.samples[first * FRAME : (first + CROP) * FRAME] for first in firsts])
        return torch.from_numpy(codes), torch.from_numpy(sounds.astype(np.float32) / FULL_SCALE)


class Dequantizer(nn.Module):
    """Codes to the vectors that the decoder reads, in the published parts: decoder.quantizer.*"""

    def __init__(self) -> None:
        super().__init__()
        inner = layout.CODEC["decoder_config"]["codebook_dim"] // 2
        self.books = nn.ModuleList(nn.Embedding(CODES, inner) for _ in range(GROUPS))
        self.first_proj, self.rest_proj = (nn.Conv1d(inner, 2 * inner, 1, bias=False) for _ in range(2))
        self.apply(initialize)
        self.rest_proj.weight.data.mul_((GROUPS - 1) ** -0.5)

    def forward(self, codes: Tensor) -> Tensor:
        """[B, T, groups] -> [B, codebook_dim, T]"""
        vectors = [book(codes[..., group]).transpose(1, 2) for group, book in enumerate(self.books)]
        y: Tensor = self.first_proj(vectors[0]) + self.rest_proj(torch.stack(vectors[1:]).sum(0))
        return y


class Decoder(nn.Module):
    """Codes [B, T, groups] to samples [B, T * 1920]."""

    def __init__(self) -> None:
        super().__init__()
        self.dequantizer = Dequantizer()
        self.decoder = CodecDecoder(layout.CODEC["decoder_config"])

    def rows(self, codes: Tensor) -> Tensor:
        y: Tensor = self.decoder.rows(self.dequantizer(codes))
        return y

    def forward(self, codes: Tensor) -> Tensor:
        return self.decoder.samples(self.rows(codes))


def misheard(codes: Tensor, rng: np.random.Generator) -> Tensor:
    """Some crops with random codes from a random level on: how a frame is spoken, never what."""
    first = np.where(rng.random(len(codes)) < MISHEARD, rng.integers(SPOKEN, GROUPS, len(codes)), GROUPS)
    others = torch.from_numpy(rng.integers(0, CODES, codes.shape))
    return torch.where(torch.arange(GROUPS) >= torch.from_numpy(first)[:, None, None], others, codes)


def signal_to_noise(made: Tensor, true: Tensor) -> float:
    return float(10 * torch.log10(true.square().sum() / (made - true).square().sum()).detach())


@torch.no_grad()
def evaluate(model: Decoder, loss: SoundLoss, speech: Speech) -> str:
    model.eval()
    codes, samples = speech.crops(16, np.random.default_rng(SEED))
    made, heard = model(codes), UNHEARD_ROWS * FRAME // ROWS_A_FRAME
    made, samples = made[:, heard:], samples[:, heard:]
    spectrum, wave = loss(made, samples)
    model.train()
    return f"held out: spectrum {spectrum:.4f}  wave {wave:.4f}  {signal_to_noise(made, samples):.1f} dB"


def row_weights(numbers: Tensor) -> Tensor:
    """[B, 1, rows]: faint rows count, and silence not so much that nothing else is learned."""
    weights = (numbers.square().mean(1, keepdim=True) + FAINT) ** -0.5
    return weights / weights.mean()


def train_rows(
    model: Decoder, run: Run, optimizer: torch.optim.Optimizer, speech: Speech, into: Tensor, steps: int
) -> None:
    """The first half: codes to the numbers of each row (wave_basis.py)."""
    while run.step < steps:
        rng = np.random.default_rng((SEED, run.step))
        set_rate(optimizer, RATE * schedule(run.step, steps, WARMUP))
        codes, samples = speech.crops(ROW_BATCH, rng)
        true = torch.einsum("ks,brs->bkr", into, samples.unflatten(1, (-1, into.shape[1])))
        said = model.rows(misheard(codes, rng))
        error = (said - true)[..., UNHEARD_ROWS:]
        weights = row_weights(true)[..., UNHEARD_ROWS:]
        loss = (weights * error.square()).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        decibels = 10 * torch.log10(true[..., UNHEARD_ROWS:].square().sum() / error.square().sum())
        run.record({"rows": loss.item(), "dB": decibels.item()}, REPORT)
        if run.step % SAVE == 0:
            run.save()
    run.save()


def train(model: Decoder, run: Run, optimizer: torch.optim.Optimizer, parts: tuple[Speech, Speech], steps: int) -> None:
    speech, held_out = parts
    to_samples = torch.compile(model.decoder.samples)  # 497 -> 414 ms a step
    sound_loss = SoundLoss()
    samples_a_row = FRAME // ROWS_A_FRAME
    while run.step < steps:
        rng = np.random.default_rng((SEED, run.step))
        set_rate(optimizer, SAMPLES_RATE * schedule(run.step, steps, WARMUP))
        codes, samples = speech.crops(BATCH, rng)
        first = int(rng.integers(0, CROP * ROWS_A_FRAME - ROWS + 1))
        rows = model.rows(misheard(codes, rng))[..., first : first + ROWS]
        made = to_samples(rows)[:, UNHEARD_ROWS * samples_a_row :]
        true = samples[:, (first + UNHEARD_ROWS) * samples_a_row : (first + ROWS) * samples_a_row]
        spectrum, wave = sound_loss(made, true)
        optimizer.zero_grad()
        (spectrum + WAVE * wave).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        run.record({"spectrum": spectrum.item(), "wave": wave.item(), "dB": signal_to_noise(made, true)}, REPORT)
        if run.step % SAVE == 0:
            run.save()
            print(evaluate(model, sound_loss, held_out), flush=True)
    run.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="what codes.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--row-steps", type=int, default=8000, help="of the first half (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=3000, help="of the whole (default: %(default)s)")
    parser.add_argument("--shards", type=int, help="of the training speech (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(SEED)
    model = Decoder()
    speech, held_out = Speech(args.speech, args.codes, "train", args.shards), Speech(args.speech, args.codes, "eval")
    waves = rows_of(speech.samples, FRAME // ROWS_A_FRAME)
    basis = Basis(waves[:: max(1, len(waves) // BASIS_ROWS)], layout.CODEC["decoder_config"]["latent_dim"])
    begin_with(model.decoder, basis.back)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=0.01)
    rows_run = Run(args.out / "rows", {"model": model, "optimizer": optimizer, "basis": basis})
    train_rows(model, rows_run, optimizer, speech, basis.into, args.row_steps)
    optimizer = torch.optim.AdamW(model.parameters(), SAMPLES_RATE, betas=(0.8, 0.99), weight_decay=0.01)
    run = Run(args.out, {"model": model, "optimizer": optimizer})
    train(model, run, optimizer, (speech, held_out), args.steps)


if __name__ == "__main__":
    main()
