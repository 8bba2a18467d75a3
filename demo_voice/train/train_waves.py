"""Trains the codec decoder to make sound of codes that stay as they are.

    python demo_voice/train/train_waves.py --speech DIR/speech --codes DIR/codes --frames DIR/frames --out DIR/waves

Begins with the decoder of train_codes.py. The first --plain steps only match spectra; then judges join in, which are
thrown away afterwards. Interrupted, it goes on from DIR/waves/state.pt; with more --steps it goes on as well.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progress import Run, schedule, set_rate
from sound_losses import Judges, SpectrumLoss, fooling_losses, judging_loss
from speech import FRAME, FULL_SCALE
from train_codes import Codes

BATCH, CROP = 8, 25  # crops of a step, frames of a crop
ROWS_A_FRAME = 4
ROWS, UNHEARD_ROWS = 36, 4  # of a crop that become sound, and of those the first, whose past is missing
RATE, JUDGE_RATE, WARMUP = 1e-3, 5e-4, 200
REPORT, SAVE = 50, 250
SEED = 2
FOOLING, MATCHING = 0.1, 0.5
JUDGING_EVERY = 2  # steps: judges learn faster than what they judge, and cost as much


class Frames:
    """Codes with the sound that they stand for."""

    def __init__(self, speech: Path, frames: Path, part: str, shards: int | None = None):
        paths = sorted(frames.glob(f"{part}-[0-9]*.npz"))[:shards]
        if not paths:
            raise SystemExit(f"{frames}: no {part}-*.npz; run encode.py first")
        self.codes = np.concatenate([np.load(path)["codes"][0] for path in paths], axis=1)  # those that are not shifted
        self.samples = np.concatenate([np.load(speech / path.name)["samples"] for path in paths], axis=1)

    def crops(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """codes [size, CROP, groups] int64, samples [size, CROP * 1920]"""
        voices = rng.integers(0, len(self.codes), size)
        firsts = rng.integers(0, self.codes.shape[1] - CROP, size)
        codes = np.stack([self.codes[v, f : f + CROP] for v, f in zip(voices, firsts)]).astype(np.int64)
        sounds = np.stack([self.samples[v, f * FRAME : (f + CROP) * FRAME] for v, f in zip(voices, firsts)])
        return torch.from_numpy(codes), torch.from_numpy(sounds.astype(np.float32) / FULL_SCALE)


class Dequantizer(nn.Module):
    """Codes to the vectors that the decoder reads, as train_codes.py left them."""

    def __init__(self, codes: Codes):
        super().__init__()
        self.books = [book.centroids.detach() for part in codes.encoder.quantizers() for book in part.codebooks()]
        self.first_proj, self.rest_proj = codes.first_proj, codes.rest_proj

    @torch.no_grad()
    def forward(self, codes: Tensor) -> Tensor:
        """[B, T, groups] -> [B, codebook_dim, T]"""
        vectors = [F.embedding(codes[..., group], book).transpose(1, 2) for group, book in enumerate(self.books)]
        y: Tensor = self.first_proj(vectors[0]) + self.rest_proj(torch.stack(vectors[1:]).sum(0))
        return y


def load_codes(folder: Path) -> Codes:
    model = Codes().eval().requires_grad_(False)
    model.load_state_dict(torch.load(folder / "state.pt", weights_only=True)["model"])
    return model


class Trainer:
    def __init__(self, codes: Codes, out: Path):
        self.dequantizer, self.decoder = Dequantizer(codes), codes.decoder.requires_grad_(True).train()
        self.to_samples = torch.compile(self.decoder.samples)  # 497 -> 414 ms a step
        self.judges, self.spectrum = Judges(), SpectrumLoss()
        self.optimizer = torch.optim.AdamW(self.decoder.parameters(), RATE, betas=(0.8, 0.99), weight_decay=0.01)
        self.judge_optimizer = torch.optim.AdamW(self.judges.parameters(), JUDGE_RATE, betas=(0.8, 0.99))
        self.run = Run(
            out,
            {"model": self.decoder, "optimizer": self.optimizer, "judges": self.judges,
             "judge_optimizer": self.judge_optimizer},
        )  # fmt: skip
        self.judging = 0.0  # the judges' last loss

    def step(self, codes: Tensor, samples: Tensor, first: int, judged: bool) -> dict[str, float]:
        made, true = self.sounds(codes, samples, first)
        spectrum = self.spectrum(made, true)
        total, values = spectrum, {"spectrum": spectrum.item(), "judging": 0.0, "fooling": 0.0, "matching": 0.0}
        if judged and self.run.step % JUDGING_EVERY == 0:
            judging = judging_loss(self.judges(made.detach()), self.judges(true))
            self._descend(self.judge_optimizer, self.judges, judging)
            self.judging = judging.item()
        if judged:
            with torch.no_grad():
                expected = self.judges(true)
            fooling, matching = fooling_losses(self.judges(made), expected)
            total = total + FOOLING * fooling + MATCHING * matching
            values |= {"judging": self.judging, "fooling": fooling.item(), "matching": matching.item()}
        self._descend(self.optimizer, self.decoder, total)
        return values

    def sounds(self, codes: Tensor, samples: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Made and true samples of ROWS rows from row `first` on, without what lacks its past."""
        rows = self.decoder.rows(self.dequantizer(codes))[..., first : first + ROWS]
        size = FRAME // ROWS_A_FRAME
        made: Tensor = self.to_samples(rows)[:, UNHEARD_ROWS * size :]
        begin = (first + UNHEARD_ROWS) * size
        return made, samples[:, begin : begin + made.shape[1]]

    @staticmethod
    def _descend(optimizer: torch.optim.Optimizer, module: nn.Module, loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="the run of train_codes.py")
    parser.add_argument("--frames", required=True, type=Path, metavar="DIR", help="what encode.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--steps", type=int, default=30000, help="(default: %(default)s)")
    parser.add_argument("--plain", type=int, default=6000, help="steps without judges (default: %(default)s)")
    parser.add_argument("--shards", type=int, default=8, help="of the speech to read (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    frames = Frames(args.speech, args.frames, "train", args.shards)
    trainer = Trainer(load_codes(args.codes), args.out)
    run = trainer.run
    while run.step < args.steps:
        rng = np.random.default_rng((SEED, run.step))
        share = schedule(run.step, args.steps, WARMUP)
        set_rate(trainer.optimizer, RATE * share)
        set_rate(trainer.judge_optimizer, JUDGE_RATE * share)
        codes, samples = frames.crops(BATCH, rng)
        first = int(rng.integers(0, CROP * ROWS_A_FRAME - ROWS + 1))
        run.record(trainer.step(codes, samples, first, run.step >= args.plain), REPORT)
        if run.step % SAVE == 0:
            run.save()
    run.save()


if __name__ == "__main__":
    main()
