"""Trains talker and code predictor: text to codes.

    python demo_voice/train/train_talker.py --speech DIR/speech --frames DIR/frames --vocabulary DIR/vocabulary \\
        --out DIR/talker

Half of the sentences come with the text beside the speech, one token a frame, the others with all of it first: both
text layouts of the prompt. A linear layer that is thrown away afterwards says the phonemes of each frame from the
talker's last row, which makes it find the place in the text sooner. Interrupted, it goes on from DIR/talker/state.pt;
with more --steps it goes on as well.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import layout
import repository  # noqa: F401  (finds the modules below)
from progress import Run, schedule, set_rate
from qwen3_tts.text_tokenizer import TextTokenizer, build_tokenizer_json
from snapshot import token_ids
from speech import LABELS, frame_labels
from talker import NONE, Talker
from train_codes import PHONEMES

BATCH, NEIGHBOURS = 32, 1024
RATE, WARMUP = 1.5e-3, 500
REPORT, SAVE = 100, 500
SEED = 3
PREDICTED = 192  # frames of a batch that the code predictor learns from
PHONETIC = 0.3
MISHEARD = 0.05  # share of earlier codes that are replaced by others, as they will be while speaking
WITH_LANGUAGE = 0.5  # share of prompts that name the language
STREAMING = 0.5  # share of prompts with the text beside the speech
IGNORED = -100


@dataclass(frozen=True)
class Sentence:
    text: list[int]  # ids
    voice: int
    codes: np.ndarray  # [T, groups]
    labels: np.ndarray  # [T, LABELS]


class Corpus:
    """The sentences of one part, each in every voice."""

    def __init__(self, speech: Path, frames: Path, part: str, tokenizer: TextTokenizer, shards: int | None = None):
        self.sentences: list[Sentence] = []
        for path in sorted(frames.glob(f"{part}-[0-9]*.npz"))[:shards]:
            spoken, encoded = np.load(speech / path.name), np.load(path)
            labels, codes, starts = frame_labels(spoken), encoded["codes"], encoded["starts"]
            ids = [tokenizer.encode(str(text)) for text in spoken["text"]]
            for voice in range(len(codes)):
                for index, text in enumerate(ids):
                    place = slice(starts[index], starts[index + 1])
                    self.sentences.append(Sentence(text, voice, codes[voice, place], labels[place]))
        if not self.sentences:
            raise SystemExit(f"{frames}: no {part}-*.npz; run encode.py first")
        self.sentences.sort(key=lambda sentence: len(sentence.codes) + len(sentence.text))

    def draw(self, rng: np.random.Generator) -> list[Sentence]:
        """BATCH of about one length, so that little is padded."""
        window = min(NEIGHBOURS, len(self.sentences))
        begin = int(rng.integers(0, len(self.sentences) - window + 1))
        return [self.sentences[begin + i] for i in rng.integers(0, window, BATCH)]


class Prompts:
    """Rows of training sentences, as qwen3_tts/prompt.py has them for requests."""

    def __init__(self, config: layout.Config, ids: dict[str, int], role_ids: tuple[int, ...]):
        self.config, self.ids, self.role_ids = config, ids, role_ids

    def rows(self, sentence: Sentence, streaming: bool, with_language: bool) -> tuple[list[int], list[int]]:
        """Text ids and rows of the code table of everything before the first frame."""
        c, pad, bos, eos = self.config, *(self.ids[f"tts_{name}_token_id"] for name in ("pad", "bos", "eos"))
        language = [c["codec_language_id"][layout.LANGUAGE]] if with_language else []
        think = c["codec_think_id"] if with_language else c["codec_nothink_id"]
        speaker = c["spk_id"][layout.SPEAKERS[sentence.voice]]
        tags = [think, c["codec_think_bos_id"], *language, c["codec_think_eos_id"], speaker, c["codec_pad_id"]]
        text = [*self.role_ids, *[pad] * (len(tags) - 1), bos]
        codes = [*[NONE] * len(self.role_ids), *tags]
        if streaming:
            return [*text, sentence.text[0]], [*codes, c["codec_bos_id"]]
        said = [*sentence.text, eos]
        return [*text, *said, pad], [*codes, *[c["codec_pad_id"]] * len(said), c["codec_bos_id"]]

    def trailing(self, sentence: Sentence, streaming: bool) -> list[int]:
        """The text id beside each frame."""
        pad, length = self.ids["tts_pad_token_id"], len(sentence.codes)
        text = [*sentence.text[1:], self.ids["tts_eos_token_id"]] if streaming else []
        return (text + [pad] * length)[:length]


@dataclass
class Batch:
    text: Tensor  # [B, L]
    first: Tensor  # [B, L] rows of the code table
    rest: Tensor  # [B, L, groups - 1]
    target: Tensor  # [B, L] code 0 or the end, IGNORED elsewhere
    codes: Tensor  # [B, L, groups] of the frame that a row leads to, IGNORED elsewhere
    labels: Tensor  # [B, L, LABELS] its phonemes


def make_batch(sentences: list[Sentence], prompts: Prompts, rng: np.random.Generator) -> Batch:
    groups, made = layout.GROUPS, []
    for sentence in sentences:
        streaming = bool(rng.random() < STREAMING)
        text, first = prompts.rows(sentence, streaming, bool(rng.random() < WITH_LANGUAGE))
        made.append((text + prompts.trailing(sentence, streaming), first, sentence))
    size, length = len(made), max(len(text) for text, _, _ in made)
    text_rows = np.full((size, length), prompts.ids["tts_pad_token_id"])
    first_rows, rest_rows = np.full((size, length), NONE), np.full((size, length, groups - 1), NONE)
    target, codes = np.full((size, length), IGNORED), np.full((size, length, groups), IGNORED)
    labels = np.full((size, length, LABELS), IGNORED)
    for row, (text, first, sentence) in enumerate(made):
        begin, end = len(first), len(text)
        wrong = rng.random(sentence.codes.shape) < MISHEARD
        heard = np.where(wrong, rng.integers(0, layout.CODES, sentence.codes.shape), sentence.codes)
        text_rows[row, :end] = text
        first_rows[row, :begin], first_rows[row, begin:end] = first, heard[:, 0]
        rest_rows[row, begin:end] = heard[:, 1:]
        target[row, begin - 1 : end - 1], target[row, end - 1] = (
            sentence.codes[:, 0],
            prompts.config["codec_eos_token_id"],
        )
        codes[row, begin - 1 : end - 1], labels[row, begin - 1 : end - 1] = sentence.codes, sentence.labels
    return Batch(
        *(torch.from_numpy(a.astype(np.int64)) for a in (text_rows, first_rows, rest_rows, target, codes, labels))
    )


class Model(nn.Module):
    def __init__(self, config: layout.Config):
        super().__init__()
        self.talker = Talker(config)
        self.phoneme_head = nn.Linear(config["hidden_size"], LABELS * PHONEMES)

    def losses(self, batch: Batch, predicted: int | None) -> dict[str, Tensor]:
        """predicted: how many frames the code predictor is asked about, drawn at random; None: all."""
        talker = self.talker
        hidden = talker(batch.text, batch.first, batch.rest)
        speaks = batch.target != IGNORED
        talking = F.cross_entropy(talker.codec_head(hidden[speaks]), batch.target[speaks])
        has_frame = batch.codes[..., 0] != IGNORED
        rows, codes, labels = hidden[has_frame], batch.codes[has_frame], batch.labels[has_frame]
        phonetic = F.cross_entropy(self.phoneme_head(rows).view(-1, PHONEMES), labels.flatten())
        if predicted is not None:
            chosen = torch.randperm(len(rows))[:predicted]
            rows, codes = rows[chosen], codes[chosen]
        logits = talker.code_predictor(rows, talker.code_row(codes[:, 0]), codes[:, 1:])
        predicting = F.cross_entropy(logits.flatten(0, 1), codes[:, 1:].flatten())
        return {"talking": talking, "predicting": predicting, "phonetic": phonetic}


@torch.no_grad()
def evaluate(model: Model, corpus: Corpus, prompts: Prompts) -> str:
    model.eval()
    batch = make_batch(corpus.sentences, prompts, np.random.default_rng(SEED))
    values = model.losses(batch, None)
    model.train()
    return "held out: " + "  ".join(f"{name} {value.item():.3f}" for name, value in values.items())


def train(
    model: Model, run: Run, optimizer: torch.optim.Optimizer, corpora: list[Corpus], prompts: Prompts, steps: int
) -> None:
    corpus, held_out = corpora
    while run.step < steps:
        rng = np.random.default_rng((SEED, run.step))
        torch.manual_seed(run.step)
        set_rate(optimizer, RATE * schedule(run.step, steps, WARMUP))
        batch = make_batch(corpus.draw(rng), prompts, rng)
        with torch.autocast("cpu", torch.bfloat16):  # 586 -> 265 ms a step on one core of a Zen 5
            values = model.losses(batch, PREDICTED)
        optimizer.zero_grad()
        (values["talking"] + values["predicting"] + PHONETIC * values["phonetic"]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.record({name: value.item() for name, value in values.items()}, REPORT)
        if run.step % SAVE == 0:
            run.save()
            print(evaluate(model, held_out, prompts), flush=True)
    run.save()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--frames", required=True, type=Path, metavar="DIR", help="what encode.py wrote")
    parser.add_argument("--vocabulary", required=True, type=Path, metavar="DIR", help="what vocabulary.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--steps", type=int, default=30000, help="(default: %(default)s)")
    parser.add_argument("--shards", type=int, help="of the training speech (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(SEED)
    tokenizer = TextTokenizer(build_tokenizer_json(args.vocabulary))
    size, ids = token_ids(args.vocabulary)
    config = layout.talker(size)
    corpora = [
        Corpus(args.speech, args.frames, part, tokenizer, shards)
        for part, shards in (("train", args.shards), ("eval", None))
    ]
    model = Model(config)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.02)
    run = Run(args.out, {"model": model, "optimizer": optimizer})
    train(model, run, optimizer, corpora, Prompts(config, ids, tokenizer.role_ids), args.steps)


if __name__ == "__main__":
    main()
