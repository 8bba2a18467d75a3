#!/usr/bin/env python3
"""How well a frame's later codes can be guessed before the earlier ones are known.

    python benchmarks/guessed_codes.py --checkpoint checkpoint --texts demo_voice/eval.txt

Two questions have the same answer. A *draft* guesses the next code from what the code predictor knows before it reads
the last one: if it is often right, two codes can be verified in one reading of the weights, and nothing changes in what
is said. *Independent codes*, guessed all at once or in groups, would save readings without verifying, and change it.

The fp32 model says the texts. A guess is made from the code predictor's hidden state some codes ahead: by the head of
the code that is guessed, as it is, and by a linear head that is trained for it on two thirds of the texts. The last
third counts. "Likeliest" compares the likeliest codes; "drawn" draws from both with the same random number.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from quality import report, requests
from qwen3_tts import sampling
from qwen3_tts.config import SamplingConfig
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.flags import PROMPT_ROWS
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.recipe import FLOAT
from qwen3_tts.text_list import read_texts
from qwen3_tts.text_tokenizer import TextTokenizer
from tables import markdown

STEPS = 300  # of training, each with all frames
LEARNING_RATE = 0.01
WEIGHT_DECAY = 0.1


@dataclass(frozen=True)
class Frames:
    """N frames of G codes that a model said."""

    codes: Tensor  # [N, G]
    uniforms: Tensor  # [N, G]: the random numbers that drew them
    states: Tensor  # [N, G, H]: of the code predictor, behind its last norm; state g knows the codes before code g
    logits: Tensor  # [N, G, V]: of code g; zeros of code 0, which the talker chooses


class Recorder:
    """Lets a model speak, and keeps what its code predictor knew."""

    def __init__(self, model: Model, tokenizer: TextTokenizer, max_frames: int):
        self.synthesizer = Synthesizer(model, tokenizer, max_seq_len=max_frames + PROMPT_ROWS)
        self.predictor: CodePredictor = model.code_predictor
        self.parts: list[Tensor] = []
        self.predictor.register_forward_hook(lambda _module, _inputs, states: self.parts.append(states))

    @torch.no_grad()
    def record(self, request: Request, options: SamplingConfig, seed: int) -> Frames:
        self.parts.clear()
        codes = self.synthesizer.codes(request, options, seed)
        num_frames, num_groups = codes.shape
        states = self.predictor.norm(torch.cat(self.parts)).reshape(num_frames, num_groups, -1)
        logits = [head(states[:, group]) for group, head in enumerate(self.predictor.heads, start=1)]
        uniforms = [[sampling.uniform(seed, t, group) for group in range(num_groups)] for t in range(num_frames)]
        return Frames(codes, torch.tensor(uniforms), states, torch.stack([torch.zeros_like(logits[0]), *logits], dim=1))


def joined(parts: Sequence[Frames]) -> Frames:
    return Frames(*(torch.cat([getattr(part, name) for part in parts]) for name in Frames.__dataclass_fields__))


@dataclass(frozen=True)
class Guess:
    """Code `group`, from the state that knows the codes before code `known`."""

    known: int
    group: int


def trained_head(frames: Frames, guess: Guess) -> nn.Linear:
    """Fitted to the codes that were drawn."""
    states, codes = frames.states[:, guess.known], frames.codes[:, guess.group]
    head = nn.Linear(states.shape[1], frames.logits.shape[2])
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(states), codes).backward()
        optimizer.step()
    return head


class Judge:
    """Compares guesses with what the model itself chooses in frames that no head was trained on."""

    def __init__(self, frames: Frames, options: SamplingConfig):
        self.frames, self.options = frames, options

    @torch.no_grad()
    def agreement(self, guess: Guess, head: nn.Module) -> tuple[float, float]:
        """Shares of frames: the likeliest codes agree, the drawn ones do."""
        guessed = head(self.frames.states[:, guess.known])
        likeliest = guessed.argmax(-1) == self.frames.logits[:, guess.group].argmax(-1)
        drawn = [
            sampling.pick(row.numpy(), *self.sampling(), float(uniform)) == int(code)
            for row, uniform, code in zip(
                guessed, self.frames.uniforms[:, guess.group], self.frames.codes[:, guess.group], strict=True
            )
        ]
        return float(likeliest.float().mean()), sum(drawn) / len(drawn)

    def sampling(self) -> tuple[float, int, float]:
        options = self.options
        return options.subtalker_temperature, options.subtalker_top_k, options.subtalker_top_p


def mean_agreement(
    judge: Judge, guesses: Sequence[Guess], head_of: Callable[[Guess], nn.Module]
) -> tuple[float, float]:
    shares = torch.tensor([judge.agreement(guess, head_of(guess)) for guess in guesses])
    likeliest, drawn = shares.mean(0).tolist()
    return likeliest, drawn


def groups_of(size: int, num_groups: int) -> list[Guess]:
    """Codes 1 ... G - 1 in groups, each guessed from the state before its first code, which is not a guess itself."""
    firsts = range(1, num_groups, size)
    return [Guess(first, group) for first in firsts for group in range(first + 1, min(first + size, num_groups))]


def measure(folder: Path, texts: Sequence[str], max_frames: int) -> dict[str, dict[str, float]]:
    checkpoint = Checkpoint(folder)
    config = checkpoint.config
    options = replace(config.sampling, max_new_tokens=max_frames + 1)
    recorder = Recorder(Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json), max_frames)
    parts = []
    for i, request in enumerate(requests(checkpoint, texts)):
        if i % 10 == 0:
            report(f"the fp32 model says text {i + 1} of {len(texts)}")
        parts.append(recorder.record(request, options, seed=1000 + i))
    training, judged = joined(parts[::3] + parts[1::3]), joined(parts[2::3])
    judge = Judge(judged, options)
    torch.manual_seed(0)
    heads: dict[Guess, nn.Module] = {}

    def trained(guess: Guess) -> nn.Module:
        if guess not in heads:
            heads[guess] = trained_head(training, guess)
        return heads[guess]

    def row(what: str, guesses: Sequence[Guess], head_of: Callable[[Guess], nn.Module]) -> tuple[str, dict[str, float]]:
        report(what)
        likeliest, drawn = mean_agreement(judge, guesses, head_of)
        return what, {"likeliest": likeliest, "drawn": drawn}

    num_groups = config.num_code_groups
    next_codes = [Guess(group - 1, group) for group in range(2, num_groups)]
    report(f"{len(training.codes)} frames to train heads on, {len(judged.codes)} to judge them by")
    rows = [
        row("the next code, by its own head", next_codes, lambda guess: recorder.predictor.heads[guess.group - 1]),
        row("the next code, by a trained head", next_codes, trained),
    ]
    for size in (2, 4, num_groups - 1):
        what = f"codes in groups of {size}, but each group's first"
        rows.append(row(what, groups_of(size, num_groups), trained))
    return dict(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder written by convert_weights.py")
    parser.add_argument("--texts", type=Path, required=True, help="English sentences, one a line; at least three")
    parser.add_argument("--frames", type=int, default=100, help="of each utterance, at most (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="also write the shares as JSON")
    args = parser.parse_args()
    try:
        texts = read_texts(args.texts)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if len(texts) < 3:
        parser.error(f"--texts: {args.texts} has {len(texts)} sentences; two train heads and a third one judges them")
    shares = measure(args.checkpoint, texts, args.frames)
    rows = [(what, f"{share['likeliest']:.1%}", f"{share['drawn']:.1%}") for what, share in shares.items()]
    print(markdown(("guess", "likeliest", "drawn"), *rows))
    if args.output:
        args.output.write_text(json.dumps(shares, indent=2) + "\n")


if __name__ == "__main__":
    main()
