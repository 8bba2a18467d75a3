"""Trains talker and code predictor: text to codes.

    python demo_voice/train/train_talker.py --speech DIR/speech --codes DIR/codes --vocabulary DIR/vocabulary \\
        --out DIR/talker

First, cheaply, it reads alone: the first layers learn to say of each word, at its last token, which phonemes it is
spoken with. Then it speaks, and half of the sentences come with the text beside the speech, one token a frame, the
others with all of it first: both text layouts of the prompt. Linear layers that are thrown away afterwards say the
phonemes of words, and the codes of each frame from its last row; and two heads are told where to look (guided
attention, after Tachibana et al. 2018, arXiv:1710.08969, with the teacher's own alignment in place of a diagonal): one
at the word that is being spoken, one in the next layer at the last token of the word that is about to be.

Interrupted, it goes on from DIR/talker/state.pt;
with more --steps it goes on as well.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import layout
from layout import CODES, GROUPS, SLOTS, UNKNOWN
from progress import DEVICE, Run, prepare, schedule, set_rate
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.tokenizer_files import build_tokenizer_json
from talker import NONE, Layer, Talker
from vocabulary import token_ids

READING_BATCH, NEIGHBOURS = 48, 4096
RATE, WARMUP = 1.5e-3, 200
REPORT, SAVE = 100, 500
SEED = 3
PREDICTED = 14  # frames of a sentence that the code predictor learns from
SPEAKING, GUIDED, READING = 1.0, 0.3, 1.0
READING_LAYERS = 2
GUIDED_LAYERS = (1, 2)  # where the word that is being spoken is looked for, and the one of code 8
LONGEST_WORD = 24  # phonemes, silence counted; what is beyond is not asked for
MISHEARD = 0.1  # share of earlier codes that are replaced by others, as they will be while speaking
WITH_LANGUAGE = 0.5  # share of prompts that name the language
STREAMING = 0.5  # share of prompts with the text beside the speech
IGNORED = -100


@dataclass(frozen=True)
class Sentence:
    text: list[int]  # ids
    voice: int
    codes: np.ndarray  # [T, groups]
    spans: np.ndarray  # [T, 2, 2] text tokens, the first and the one behind the last, that each guided layer looks at
    phonemes: np.ndarray  # [tokens, LONGEST_WORD] of the word that ends at a token, then 0; IGNORED at other tokens


def word_ends(tokenizer: TextTokenizer, text: str) -> np.ndarray:
    """How many of the text's tokens belong to its first n words: [words + 1]."""
    words = text.split(" ")
    return np.array([len(tokenizer.encode(" ".join(words[:count]))) for count in range(len(words) + 1)])


def token_spans(words: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[T, 2, 2]: all tokens of the words [T], and the last token of the other words [T], of words [T, 2]."""
    spoken, next_spoken = words.astype(int).T
    last = ends[next_spoken + 1]
    return np.stack([np.stack([ends[spoken], ends[spoken + 1]], 1), np.stack([last - 1, last], 1)], 1)


def phonemes_of_words(phonemes: np.ndarray, left: np.ndarray, words: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """[tokens, LONGEST_WORD] of slots."""
    is_last = left == 0
    phonemes, words = phonemes[is_last], words[is_last]
    found = np.full((ends[-1], LONGEST_WORD), IGNORED)
    for word, end in enumerate(ends[1:]):
        said = phonemes[words == word][:LONGEST_WORD]
        found[end - 1] = np.pad(said, (0, LONGEST_WORD - len(said)))
    return found


class Corpus:
    """The sentences of one part whose words are known, in every voice and begun at every slot of a frame."""

    def __init__(self, speech: Path, codes: Path, part: str, tokenizer: TextTokenizer, shards: int | None = None):
        self.sentences: list[Sentence] = []
        for path in sorted(codes.glob(f"{part}-[0-9]*.npz"))[:shards]:
            spoken, encoded = np.load(speech / path.name), np.load(path)
            all_phonemes, left, spoken_words = (spoken[name] for name in ("phonemes", "left", "words"))
            all_codes, frame_words, starts = encoded["codes"], encoded["words"], encoded["starts"]
            for index, (text, begin, end) in enumerate(zip(spoken["text"], spoken["starts"], spoken["starts"][1:])):
                slots = slice(begin, end)
                if UNKNOWN in spoken_words[slots]:
                    continue
                ids, ends = tokenizer.encode(str(text)), word_ends(tokenizer, str(text))
                phonemes = phonemes_of_words(all_phonemes[slots], left[slots], spoken_words[slots], ends)
                for late in range(SLOTS):
                    frames = slice(starts[late, index], starts[late, index + 1])
                    spans = token_spans(frame_words[late, frames], ends)
                    for codes_of_voice, voice in zip(all_codes[late], count()):
                        self.sentences.append(Sentence(ids, voice, codes_of_voice[frames], spans, phonemes))
        if not self.sentences:
            raise SystemExit(f"{codes}: no {part}-*.npz; run codes.py first")
        self.sentences.sort(key=lambda sentence: len(sentence.codes) + len(sentence.text))

    def draw(self, rng: np.random.Generator, size: int) -> list[Sentence]:
        """Of about one length, so that little is padded."""
        window = min(NEIGHBOURS, len(self.sentences))
        begin = int(rng.integers(0, len(self.sentences) - window + 1))
        return [self.sentences[begin + i] for i in rng.integers(0, window, size)]


class Prompts:
    """Rows of training sentences, as qwen3_tts/export/prompt.py has them for requests."""

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

    def first_text_row(self, sentence: Sentence, streaming: bool, prompt_rows: int) -> int:
        """Where the text's first token stands; the others follow."""
        return prompt_rows - (1 if streaming else len(sentence.text) + 2)

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
    spans: Tensor  # [B, L, 2, 2] rows of the text that each guided layer looks at, as far as they are there yet
    phonemes: Tensor  # [B, L, LONGEST_WORD] of the word that ends at a row, IGNORED elsewhere


def silent(sentence: Sentence) -> Sentence:
    """Only its text."""
    return replace(sentence, codes=sentence.codes[:0], spans=sentence.spans[:0])


def make_batch(
    sentences: list[Sentence], prompts: Prompts, rng: np.random.Generator, streamed: float = STREAMING
) -> Batch:
    """streamed: share of the sentences whose text comes beside the speech."""
    groups, made = layout.GROUPS, []
    for sentence in sentences:
        streaming = bool(rng.random() < streamed)
        text, first = prompts.rows(sentence, streaming, bool(rng.random() < WITH_LANGUAGE))
        first_text_row = prompts.first_text_row(sentence, streaming, len(first))
        made.append((text + prompts.trailing(sentence, streaming), first, first_text_row, sentence))
    size, length = len(made), max(len(text) for text, *_ in made)
    text_rows = np.full((size, length), prompts.ids["tts_pad_token_id"])
    first_rows, rest_rows = np.full((size, length), NONE), np.full((size, length, groups - 1), NONE)
    target, codes = np.full((size, length), IGNORED), np.full((size, length, groups), IGNORED)
    spans, phonemes = np.zeros((size, length, 2, 2)), np.full((size, length, LONGEST_WORD), IGNORED)
    for row, (text, first, first_text_row, sentence) in enumerate(made):
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
        codes[row, begin - 1 : end - 1] = sentence.codes
        spans[row, begin - 1 : end - 1] = np.minimum(
            first_text_row + sentence.spans, np.arange(begin, end)[:, None, None]
        )
        read = sentence.phonemes[: end - first_text_row]
        phonemes[row, first_text_row : first_text_row + len(read)] = read
    parts = (text_rows, first_rows, rest_rows, target, codes, spans, phonemes)
    return Batch(*(torch.from_numpy(part.astype(np.int64)).to(DEVICE) for part in parts))


class Model(nn.Module):
    def __init__(self, config: layout.Config):
        super().__init__()
        self.talker = Talker(config)
        self.frame_head = nn.Linear(config["hidden_size"], GROUPS * CODES)
        self.reading_head = nn.Linear(config["hidden_size"], LONGEST_WORD * CODES)
        layers = self.talker.model.layers
        self.first_layers, self.other_layers = layers[:READING_LAYERS], layers[READING_LAYERS:]
        attentions = [layer.self_attn for layer in layers if isinstance(layer, Layer)]
        self.guided = [attentions[index] for index in GUIDED_LAYERS]
        for attention in self.guided:
            attention.is_watched = True

    def read(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Rows [B, L, H] behind the first layers, and the loss of the phonemes of words."""
        rows = self.first_layers(self.talker.rows(batch.text, batch.first, batch.rest))
        ends_word = batch.phonemes[..., 0] != IGNORED
        logits = self.reading_head(rows[ends_word]).view(-1, CODES)
        return rows, F.cross_entropy(logits, batch.phonemes[ends_word].flatten())

    def losses(self, batch: Batch, predicted: int | None) -> dict[str, Tensor]:
        """predicted: how many frames the code predictor is asked about, drawn at random; None: all."""
        talker = self.talker
        rows, reading = self.read(batch)
        hidden = talker.model.norm(self.other_layers(rows))
        speaks = batch.target != IGNORED
        talking = F.cross_entropy(talker.codec_head(hidden[speaks]), batch.target[speaks])
        has_frame = batch.codes[..., 0] != IGNORED
        rows, codes = hidden[has_frame], batch.codes[has_frame]
        speaking = F.cross_entropy(self.frame_head(rows).view(-1, CODES), codes.flatten())
        if predicted is not None:
            chosen = torch.randperm(len(rows), device=DEVICE)[:predicted]
            rows, codes = rows[chosen], codes[chosen]
        logits = talker.code_predictor(rows, talker.code_row(codes[:, 0]), codes[:, 1:])
        predicting = F.cross_entropy(logits.flatten(0, 1), codes[:, 1:].flatten())
        spoken, next_spoken = (
            guidance(*attention.watched, spans) for attention, spans in zip(self.guided, batch.spans.unbind(2))
        )
        return {
            "talking": talking, "predicting": predicting, "speaking": speaking, "reading": reading,
            "spoken": spoken, "next": next_spoken,
        }  # fmt: skip


def guidance(queries: Tensor, keys: Tensor, spans: Tensor) -> Tensor:
    """- log of the attention [B, L, D] that is on the rows [B, L, 2] of the words being spoken."""
    places = torch.arange(queries.shape[1], device=queries.device)
    scores = (queries @ keys.transpose(1, 2)).float() * queries.shape[2] ** -0.5
    scores = scores.masked_fill(places > places[:, None], -torch.inf)
    is_known = spans[..., 0] < spans[..., 1]
    scores, spans = scores[is_known], spans[is_known]
    is_spoken = (spans[:, :1] <= places) & (places < spans[:, 1:])
    return (scores.logsumexp(-1) - scores.masked_fill(~is_spoken, -torch.inf).logsumexp(-1)).mean()


@torch.no_grad()
def evaluate(model: Model, corpus: Corpus, prompts: Prompts) -> str:
    model.eval()
    batch = make_batch(corpus.sentences, prompts, np.random.default_rng(SEED))
    values = model.losses(batch, None)
    model.train()
    return "held out: " + "  ".join(f"{name} {value.item():.3f}" for name, value in values.items())


def train_reading(
    model: Model, run: Run, optimizer: torch.optim.Optimizer, corpus: Corpus, prompts: Prompts, steps: int
) -> None:
    """Text alone, and only the first layers."""
    while run.step < steps:
        rng = np.random.default_rng((SEED, run.step))
        set_rate(optimizer, RATE * schedule(run.step, steps, WARMUP))
        batch = make_batch([silent(one) for one in corpus.draw(rng, READING_BATCH)], prompts, rng, streamed=0)
        loss = model.read(batch)[1]
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.record({"reading": loss}, REPORT)
        if run.step % SAVE == 0:
            run.save()
    run.save()


def train(
    model: Model,
    run: Run,
    optimizer: torch.optim.Optimizer,
    corpora: list[Corpus],
    prompts: Prompts,
    steps: int,
    size: int,
) -> None:
    corpus, held_out = corpora
    while run.step < steps:
        rng = np.random.default_rng((SEED, run.step))
        torch.manual_seed(run.step)
        set_rate(optimizer, RATE * schedule(run.step, steps, WARMUP))
        batch = make_batch(corpus.draw(rng, size), prompts, rng)
        values = model.losses(batch, PREDICTED * size)
        optimizer.zero_grad()
        total = values["talking"] + values["predicting"] + SPEAKING * values["speaking"] + READING * values["reading"]
        total = total + GUIDED * (values["spoken"] + values["next"])
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.record(values, REPORT)
        if run.step % SAVE == 0:
            run.save()
            print(evaluate(model, held_out, prompts), flush=True)
    run.save()


def make_optimizer(model: Model) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        model.parameters(), RATE, betas=(0.9, 0.98), weight_decay=0.02, fused=DEVICE.type == "cuda"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--codes", required=True, type=Path, metavar="DIR", help="what codes.py wrote")
    parser.add_argument("--vocabulary", required=True, type=Path, metavar="DIR", help="what vocabulary.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--reading-steps", type=int, default=700, help="with text alone (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=6400, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=12, help="sentences of a step (default: %(default)s)")
    parser.add_argument("--shards", type=int, help="of the training speech (default: all)")
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    prepare(args.threads, SEED)
    tokenizer = TextTokenizer(build_tokenizer_json(args.vocabulary))
    size, ids = token_ids(args.vocabulary)
    config = layout.talker(size)
    corpora = [
        Corpus(args.speech, args.codes, part, tokenizer, shards)
        for part, shards in (("train", args.shards), ("eval", None))
    ]
    model = Model(config).to(DEVICE)
    prompts = Prompts(config, ids, tokenizer.role_ids)
    optimizer = make_optimizer(model)
    reading_run = Run(args.out / "reading", {"model": model, "optimizer": optimizer})
    train_reading(model, reading_run, optimizer, corpora[0], prompts, args.reading_steps)
    optimizer = make_optimizer(model)
    run = Run(args.out, {"model": model, "optimizer": optimizer})
    train(model, run, optimizer, corpora, prompts, args.steps, args.batch)


if __name__ == "__main__":
    main()
