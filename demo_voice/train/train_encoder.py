"""Trains the codec encoder: samples to the codes that codes.py made of their text and parameters.

    python demo_voice/train/train_encoder.py --speech DIR/speech --codes DIR/codes --out DIR/encoder

Its codebooks stay as they are made: each code is a direction, and the encoder learns to point there. Codes that tell of
what comes next are guesses for it, as it hears nothing of it. Interrupted, it goes on from DIR/encoder/state.pt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import layout
from codec_encoder import CodecEncoder
from progress import DEVICE, Run, prepare, schedule, set_rate
from train_waves import Speech

RATE, WARMUP = 1.5e-3, 200
REPORT, SAVE = 100, 500
SEED = 4


def losses(encoder: CodecEncoder, codes: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy, and which share of the codes 0 to 3 (phonemes and pitch) is found."""
    x = encoder(samples)
    logits = torch.cat([quantizer.logits(x) for quantizer in encoder.quantizers()], dim=2)
    found = (logits[:, :, :4].argmax(-1) == codes[..., :4]).float().mean()
    return F.cross_entropy(logits.flatten(0, 2), codes.flatten()), found


@torch.no_grad()
def evaluate(encoder: CodecEncoder, speech: Speech) -> str:
    encoder.eval()
    loss, found = losses(encoder, *speech.crops(32, np.random.default_rng(SEED)))
    encoder.train()
    return f"held out: loss {loss.item():.3f}  codes 0 to 3 found {found.item():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="what codes.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--steps", type=int, default=6000, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=10, help="crops of a step (default: %(default)s)")
    parser.add_argument("--shards", type=int, help="of the training speech (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    prepare(args.threads, SEED)
    speech, held_out = (
        Speech(args.speech, args.codes, part, shards) for part, shards in (("train", args.shards), ("eval", None))
    )
    encoder = CodecEncoder(layout.CODEC["encoder_config"]).to(DEVICE)
    optimizer = torch.optim.AdamW(encoder.parameters(), RATE, betas=(0.8, 0.99), weight_decay=0.01)
    run = Run(args.out, {"model": encoder, "optimizer": optimizer})
    while run.step < args.steps:
        set_rate(optimizer, RATE * schedule(run.step, args.steps, WARMUP))
        loss, found = losses(encoder, *speech.crops(args.batch, np.random.default_rng((SEED, run.step))))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
        optimizer.step()
        run.record({"loss": loss, "found": found}, REPORT)
        if run.step % SAVE == 0:
            run.save()
            print(evaluate(encoder, held_out), flush=True)
    run.save()


if __name__ == "__main__":
    main()
