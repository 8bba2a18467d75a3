"""Trains the codec decoder: codes to the samples that they stand for.

    python demo_voice/train/train_waves.py --speech DIR/speech --codes DIR/codes --out DIR/waves

As the frames know their phase (rendering.py), samples are compared as they are. It learns in two parts: the numbers of
each row (wave_basis.py), then samples. Interrupted, it goes on from DIR/waves/rows/state.pt or DIR/waves/state.pt; with
more steps it goes on as well.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

import layout
from codec_decoder import CodecDecoder, initialize
from layout import CODES, FRAME, FULL_SCALE, GROUPS, SLOTS
from progress import DEVICE, Run, prepare, schedule, set_rate
from sound_losses import SoundLoss
from wave_basis import Basis, begin_with, rows_of

CROP = 25  # frames
ROWS_A_FRAME = 4
SAMPLES_A_ROW = FRAME // ROWS_A_FRAME
ROWS, UNHEARD_ROWS = 36, 4  # of a crop that become sound, and of those the first, whose past is missing
ROW_RATE, HEARD_RATE, WARMUP = 2e-3, 5e-4, 100
REPORT, SAVE = 50, 250
WAVE = 50.0  # times the loss of waves, which is that much smaller
BASIS_ROWS = 20000
FAINT = 0.05  # mean square of a row's numbers, whose mean is one
SEED = 2


class Speech:
    """Codes with the samples that they stand for, of one part (train, eval or gate)."""

    def __init__(self, speech: Path, codes: Path, part: str, shards: int | None = None):
        self.text: list[str] = []  # of each pair of sentences
        self.bounds, all_codes, all_samples = [0], [], []
        for path in sorted(speech.glob(f"{part}-[0-9]*.npz"))[:shards]:
            spoken = np.load(path)
            begins = spoken["sample_starts"]
            if len(begins) == 1:
                continue
            samples, texts, encoded = spoken["samples"], spoken["text"], np.load(codes / path.name)
            codes_of_shard, starts = encoded["codes"], encoded["starts"]
            for index, (begin, end) in enumerate(zip(begins, begins[1:])):
                late = index % SLOTS
                frames = slice(starts[late, index], starts[late, index + 1])
                self.text.append(str(texts[index]))
                for voice in range(len(samples)):
                    all_codes.append(codes_of_shard[late, voice, frames])
                    all_samples.append(samples[voice, begin:end].reshape(-1, FRAME))
                    self.bounds.append(self.bounds[-1] + len(all_codes[-1]))
        if not self.text:
            raise SystemExit(f"{speech}: no {part}-*.npz with samples; run teacher.py first")
        self.codes = torch.from_numpy(np.concatenate(all_codes)).to(DEVICE)  # [frames, groups] uint8
        self.samples = torch.from_numpy(np.concatenate(all_samples)).to(DEVICE)  # [frames, 1920] int16

    def sentence(self, index: int) -> tuple[str, int, Tensor, Tensor]:
        """Text, voice, codes [T, groups] int64 and samples [T * 1920]; sentences go voice by voice."""
        frames = slice(self.bounds[index], self.bounds[index + 1])
        text, voice = divmod(index, len(layout.SPEAKERS))
        return self.text[text], voice, self.codes[frames].long(), self.samples[frames].flatten() / FULL_SCALE

    def crops(self, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """codes [size, CROP, groups] int64, samples [size, CROP * 1920]"""
        firsts = torch.from_numpy(rng.integers(0, len(self.codes) - CROP, size)).to(DEVICE)
        frames = firsts[:, None] + torch.arange(CROP, device=DEVICE)
        return self.codes[frames].long(), self.samples[frames].flatten(1) / FULL_SCALE


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


def signal_to_noise(made: Tensor, true: Tensor) -> Tensor:
    return 10 * torch.log10(true.square().sum() / (made - true).square().sum()).detach()


@torch.no_grad()
def evaluate(model: Decoder, loss: SoundLoss, speech: Speech) -> str:
    model.eval()
    codes, samples = speech.crops(16, np.random.default_rng(SEED))
    made, heard = model(codes), UNHEARD_ROWS * SAMPLES_A_ROW
    made, samples = made[:, heard:], samples[:, heard:]
    spectrum, wave = loss(made, samples)
    model.train()
    return f"held out: spectrum {spectrum:.4f}  wave {wave:.4f}  {signal_to_noise(made, samples):.1f} dB"


def row_weights(numbers: Tensor) -> Tensor:
    """[B, 1, rows]: faint rows count, and silence not so much that nothing else is learned."""
    weights = (numbers.square().mean(1, keepdim=True) + FAINT) ** -0.5
    return weights / weights.mean()


def learn(optimizer: torch.optim.Optimizer, loss: Tensor, module: nn.Module, steepest: float) -> None:
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(module.parameters(), steepest)
    optimizer.step()


@dataclass
class Training:
    model: Decoder
    speech: Speech
    held_out: Speech
    folder: Path

    def rows(self, steps: int, batch: int) -> None:
        """The first half: codes to the numbers of each row."""
        samples = self.speech.samples
        waves = rows_of(samples[:: max(1, len(samples) * ROWS_A_FRAME // BASIS_ROWS)].cpu().numpy(), SAMPLES_A_ROW)
        basis = Basis(waves, layout.CODEC["decoder_config"]["latent_dim"]).to(DEVICE)
        begin_with(self.model.decoder, basis.back)
        optimizer = make_optimizer(self.model, momentum=0.9)
        run = Run(self.folder / "rows", {"model": self.model, "optimizer": optimizer, "basis": basis})
        while run.step < steps:
            set_rate(optimizer, ROW_RATE * schedule(run.step, steps, WARMUP))
            codes, samples = self.speech.crops(batch, np.random.default_rng((SEED, run.step)))
            true = torch.einsum("ks,brs->bkr", basis.into, samples.unflatten(1, (-1, SAMPLES_A_ROW)))
            error = (self.model.rows(codes) - true)[..., UNHEARD_ROWS:]
            true = true[..., UNHEARD_ROWS:]
            loss = (row_weights(true) * error.square()).mean()
            learn(optimizer, loss, self.model, 1.0)
            run.record({"rows": loss, "dB": 10 * torch.log10(true.square().sum() / error.square().sum())}, REPORT)
            if run.step % SAVE == 0:
                run.save()
        run.save()

    def samples(self, steps: int, batch: int) -> None:
        optimizer = make_optimizer(self.model)
        run = Run(self.folder, {"model": self.model, "optimizer": optimizer})
        sound_loss, to_samples = SoundLoss().to(DEVICE), self._compiled()
        while run.step < steps:
            set_rate(optimizer, HEARD_RATE * schedule(run.step, steps, WARMUP))
            made, true = self._sounds(to_samples, batch, run.step)
            spectrum, wave = sound_loss(made, true)
            learn(optimizer, spectrum + WAVE * wave, self.model, 5.0)
            run.record({"spectrum": spectrum, "wave": wave, "dB": signal_to_noise(made, true)}, REPORT)
            if run.step % SAVE == 0:
                run.save()
                print(evaluate(self.model, sound_loss, self.held_out), flush=True)
        run.save()

    def _compiled(self) -> Callable[[Tensor], Tensor]:
        """Compiled on a processor: 497 -> 414 ms a step. On a GPU the compiler takes a minute first."""
        samples = self.model.decoder.samples
        return samples if DEVICE.type == "cuda" else torch.compile(samples)

    def _sounds(self, to_samples: Callable[[Tensor], Tensor], batch: int, step: int) -> tuple[Tensor, Tensor]:
        """Made and true samples [batch, N]."""
        rng = np.random.default_rng((SEED, step))
        codes, samples = self.speech.crops(batch, rng)
        first = int(rng.integers(0, CROP * ROWS_A_FRAME - ROWS + 1))
        made = to_samples(self.model.rows(codes)[..., first : first + ROWS])
        true = samples[:, (first + UNHEARD_ROWS) * SAMPLES_A_ROW : (first + ROWS) * SAMPLES_A_ROW]
        return made[:, UNHEARD_ROWS * SAMPLES_A_ROW :], true


def make_optimizer(module: nn.Module, momentum: float = 0.8) -> torch.optim.AdamW:
    """Its rate is set before each step."""
    return torch.optim.AdamW(
        module.parameters(), betas=(momentum, 0.99), weight_decay=0.01, fused=DEVICE.type == "cuda"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="what codes.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    for part, steps, batch in (("row", 14000, 16), ("sample", 5000, 4)):
        parser.add_argument(f"--{part}-steps", type=int, default=steps, help="(default: %(default)s)")
        parser.add_argument(
            f"--{part}-batch", type=int, default=batch, help="crops of a step of that part (default: %(default)s)"
        )
    parser.add_argument("--shards", type=int, help="of the training speech (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    prepare(args.threads, SEED)
    training = Training(
        Decoder().to(DEVICE),
        Speech(args.speech, args.codes, "train", args.shards),
        Speech(args.speech, args.codes, "eval"),
        args.out,
    )
    training.rows(args.row_steps, args.row_batch)
    training.samples(args.sample_steps, args.sample_batch)


if __name__ == "__main__":
    main()
