#!/usr/bin/env python3
"""What a recipe costs in exactness: how often it chooses the codes that fp32 chooses, and how much its sound differs.

    python benchmarks/quality.py --checkpoint checkpoint                       # every recipe
    python benchmarks/quality.py --checkpoint checkpoint --recipes small --output quality.json
    python benchmarks/quality.py --checkpoint checkpoint --texts demo_voice/eval.txt      # of a voice that knows these
    python benchmarks/quality.py --checkpoint checkpoint --calibrate texts.txt            # and what that changes

The fp32 model says a few sentences. Each recipe then reads the same prompt and codes, so that one different choice does
not change what follows (teacher forcing), and decodes the same codes. Everything runs eagerly, as it is exported.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from qwen3_tts.export.calibration import collect
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.flags import PROMPT_ROWS
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.export.stages.layers import DecoderStack
from qwen3_tts.recipe import FLOAT, RECIPES, Recipe, calibrates
from qwen3_tts.text_list import read_texts
from qwen3_tts.text_tokenizer import TextTokenizer

TEXTS = {  # languages that every published checkpoint has
    "english": "Good morning, Zoe! Flight 1492 to Reykjavik leaves at 6:45. Shall we have breakfast first?",
    "chinese": "早上好！今天下午三点二十分，我们在火车站见面，好吗？别忘了带上雨伞。",
}


@dataclass(frozen=True)
class Spoken:
    """One utterance as a model sees it: what it chooses at every place, and the sound of the given codes."""

    talker_logits: Tensor  # [T, V] before each frame's code 0
    code_logits: Tensor  # [T, G - 1, Vc]
    samples: Tensor  # [T * samples_per_frame]


@dataclass(frozen=True)
class Quality:
    talker_agreement: float  # share of frames with the same best code 0
    talker_kl: float  # nats, fp32 to recipe
    code_agreement: float  # the same for codes 1 ... G - 1
    code_kl: float
    snr_db: float  # of the decoded sound


class Listener:
    """Runs a model over given codes."""

    def __init__(self, synthesizer: Synthesizer):
        self.synthesizer, self.model, self.config = synthesizer, synthesizer.model, synthesizer.config

    @torch.no_grad()
    def hear(self, request: Request, codes: Tensor) -> Spoken:
        """codes [T, G]: what is said after the request's prompt."""
        prompt = self.synthesizer.prompt_builder.build(request)
        embeddings = self.model.codec_embedding(codes + torch.tensor(self.config.group_offsets))  # [T, G, H]
        text = [prompt.trailing[i : i + 1] if i < len(prompt.trailing) else prompt.pad_row for i in range(len(codes))]
        rows = torch.cat([prompt.rows, embeddings.sum(1) + torch.cat(text)])[:-1]
        hidden = self._talker_hidden(rows)[len(prompt.rows) - 1 :]
        frames = [self._code_logits(hidden[i : i + 1], embeddings[i]) for i in range(len(codes))]
        return Spoken(self.model.talker.head(hidden), torch.stack(frames), self.synthesizer.decode(codes))

    def _talker_hidden(self, rows: Tensor) -> Tensor:
        talker = self.model.talker
        kv = talker.empty_kv(len(rows))
        return talker.norm(DecoderStack.forward(talker, rows, torch.arange(len(rows)), None, kv))

    def _code_logits(self, hidden: Tensor, embeddings: Tensor) -> Tensor:
        """[G - 1, Vc] from the talker's hidden [1, H] and the frame's embeddings [G, H]."""
        predictor = self.model.code_predictor
        rows = torch.cat([hidden, embeddings[:-1]])
        kv = predictor.empty_kv(len(rows))
        states = predictor(rows, torch.arange(len(rows)), None, kv)
        return torch.cat([predictor.logits(group, states[group : group + 1]) for group in range(1, len(rows))])


def compare(exact: Sequence[Spoken], other: Sequence[Spoken]) -> Quality:
    talker = [torch.cat([spoken.talker_logits for spoken in all_spoken]) for all_spoken in (exact, other)]
    codes = [torch.cat([spoken.code_logits for spoken in all_spoken]) for all_spoken in (exact, other)]
    samples = [torch.cat([spoken.samples for spoken in all_spoken]) for all_spoken in (exact, other)]
    noise = (samples[0] - samples[1]).square().sum().clamp_min(1e-12)
    return Quality(
        agreement(*talker), divergence(*talker), agreement(*codes), divergence(*codes),
        float(10 * torch.log10(samples[0].square().sum() / noise)),
    )  # fmt: skip


def agreement(exact: Tensor, other: Tensor) -> float:
    return float((exact.argmax(-1) == other.argmax(-1)).float().mean())


def divergence(exact: Tensor, other: Tensor) -> float:
    """Mean Kullback-Leibler divergence of softmax(other) from softmax(exact), in nats."""
    expected, found = exact.log_softmax(-1), other.log_softmax(-1)
    return float((expected.exp() * (expected - found)).sum(-1).mean())


def requests(checkpoint: Checkpoint, english: Sequence[str]) -> list[Request]:
    """Of the texts, or of TEXTS when there is none."""
    config = checkpoint.config
    speaker = next(iter(config.speakers), "")
    texts = [("english", text) for text in english] or list(TEXTS.items())
    return [Request(text, language if language in config.languages else "auto", speaker) for language, text in texts]


def measure(
    folder: Path, recipes: dict[str, Recipe], frames: int, texts: Sequence[str] = (), calibration: Sequence[str] = ()
) -> dict[str, Quality]:
    """Of each recipe; with texts to calibrate by, also of each one rounded by them, as "small, calibrated"."""
    checkpoint = Checkpoint(folder)
    report("the fp32 model speaks")
    tokenizer = TextTokenizer(checkpoint.tokenizer_json)
    synthesizer = Synthesizer(Model(checkpoint, FLOAT), tokenizer, max_seq_len=frames + PROMPT_ROWS)
    options = replace(checkpoint.config.sampling, max_new_tokens=frames + 1)
    asked = requests(checkpoint, texts)
    utterances = [synthesizer.codes(request, options, seed=1000 + i) for i, request in enumerate(asked)]
    exact = [Listener(synthesizer).hear(*pair) for pair in zip(asked, utterances)]
    del synthesizer
    qualities = {}
    for name, model in models(checkpoint, recipes, calibration):
        report(f"{name} listens")
        listener = Listener(Synthesizer(model, tokenizer))
        qualities[name] = compare(exact, [listener.hear(*pair) for pair in zip(asked, utterances)])
    return qualities


def models(
    checkpoint: Checkpoint, recipes: dict[str, Recipe], calibration: Sequence[str]
) -> Iterator[tuple[str, Model]]:
    moments = collect(checkpoint, calibration, lambda what, step: report(f"{step}: {what}")) if calibration else {}
    for name, recipe in recipes.items():
        yield name, Model(checkpoint, recipe)
        if calibration and calibrates(recipe):
            yield f"{name}, calibrated", Model(checkpoint, recipe, moments=moments)


def report(step: str) -> None:
    print(f"== {step}", file=sys.stderr, flush=True)


def table(qualities: dict[str, Quality]) -> str:
    lines = [
        "| recipe | code 0 agrees | KL, nats | codes 1–15 agree | KL, nats | sound, SNR |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{name}` | {q.talker_agreement:.1%} | {q.talker_kl:.4f} | {q.code_agreement:.1%} | {q.code_kl:.4f} "
        f"| {q.snr_db:.1f} dB |"
        for name, q in qualities.items()
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder written by convert_weights.py")
    parser.add_argument("--recipes", nargs="+", choices=RECIPES, default=list(RECIPES), help="(default: all)")
    parser.add_argument("--frames", type=int, default=48, help="of each utterance, at most (default: %(default)s)")
    parser.add_argument("--texts", type=Path, help="English sentences, one a line, in place of one and a Chinese one")
    parser.add_argument("--calibrate", type=Path, help="texts, one a line: also measure recipes rounded by them")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    args = parser.parse_args()
    try:
        calibration = read_texts(args.calibrate) if args.calibrate else []
        texts = read_texts(args.texts) if args.texts else []
    except (OSError, ValueError) as error:
        parser.error(str(error))
    recipes = {name: RECIPES[name] for name in args.recipes}
    qualities = measure(args.checkpoint, recipes, args.frames, texts, calibration)
    print(table(qualities))
    if args.output:
        args.output.write_text(json.dumps({name: asdict(q) for name, q in qualities.items()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
