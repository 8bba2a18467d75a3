"""Trains the published codec encoder to find, in the waveform, the vectors that train_codes.py finds in spectra.

    python demo_voice/train/train_encoder.py --speech DIR/speech --codes DIR/codes --out DIR/encoder

Quantizers and codes stay as they are. Interrupted, it goes on from DIR/encoder/state.pt.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from progress import Run, schedule, set_rate
from speech import Speech
from train_codes import Codes
from train_waves import load_codes

BATCH, CROP = 10, 25  # crops of a step, frames of a crop
RATE, WARMUP = 1.5e-3, 200
REPORT, SAVE = 100, 500
SEED = 4


def distance(codes: Codes, samples: Tensor) -> Tensor:
    """Between what the quantizers read of both encoders, times the variance of the true one."""
    with torch.no_grad():
        true = codes.spectrum_encoder(codes.target(samples))
    found = codes.encoder(samples)
    parts = []
    for quantizer in codes.encoder.quantizers():
        a, b = quantizer.input_proj(found), quantizer.input_proj(true)
        parts.append(F.mse_loss(a, b) / b.var())
    return torch.stack(parts).mean()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="the run of train_codes.py")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--steps", type=int, default=20000, help="(default: %(default)s)")
    parser.add_argument("--shards", type=int, default=10, help="of the speech to read (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    speech, codes = Speech(args.speech, "train", args.shards), load_codes(args.codes)
    encoder = codes.encoder
    learned = [
        parameter
        for part in (encoder.encoder, encoder.encoder_transformer, encoder.downsample)
        for parameter in part.requires_grad_(True).parameters()
    ]
    optimizer = torch.optim.AdamW(learned, RATE, betas=(0.8, 0.99), weight_decay=0.01)
    run = Run(args.out, {"model": encoder, "optimizer": optimizer})
    while run.step < args.steps:
        set_rate(optimizer, RATE * schedule(run.step, args.steps, WARMUP))
        samples, _ = speech.crops(BATCH, CROP, np.random.default_rng((SEED, run.step)))
        loss = distance(codes, samples)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        run.record({"distance": loss.item()}, REPORT)
        if run.step % SAVE == 0:
            run.save()
    run.save()


if __name__ == "__main__":
    main()
