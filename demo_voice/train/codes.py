"""Writes the codes of the teacher's speech: what the codec decoder and the talker learn from.

    python demo_voice/train/codes.py --speech DIR/speech --out DIR/codes

The codes of a frame are few facts from which a voice can be made again, so that a talker of a few million parameters
can say them; codes that a network is free to choose were better at spectra and could not be predicted (README.md):

  0, 1, 2   phoneme of each slot
  3         pitch periods in the frame, and 64 * voice
  4         the same of the next frame
  5         slots that the last phoneme still lasts, and PLACE_CODES * the place in its word of the phoneme after it
  6, 7, 8   that phoneme; the slots it lasts less one, and PLACE_CODES * the place of the one after it; the one after it
  9 to 15   how the spectrum differs from what these facts let expect: residual vector quantization, k-means

DIR/codes/residual.pt is the expectation and the codebooks; {train,eval,gate}-NNN.npz, one for each shard of speech:
  codes [SLOTS, voices, frames, groups] uint8, sentences in a row, begun that many slots late
  starts [SLOTS, sentences + 1] int64, in frames
  words [SLOTS, frames, 2] uint8: which word of the text the last slot belongs to, and which the phoneme of code 8
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

from layout import CODES, GROUPS, SLOTS, SPEAKERS, SPOKEN, VOICE_CODES
from rendering import BANDS, HOPS, VOICES, periods

PLACE_CODES, PLACES = 16, 8  # a place in a word is told but for multiples of PLACES
FAINTEST = -3.0  # of a band: what is below is not heard beside the rest
HIDDEN, STEPS, BATCH, RATE = 256, 3000, 512, 2e-3
ROUNDS = 25  # of k-means
FITTED = 60000  # frames
SEED = 5


@dataclass(frozen=True)
class Sentence:
    phonemes: np.ndarray  # [slots] uint8
    left: np.ndarray  # [slots]
    words: np.ndarray  # [slots]
    pitch: np.ndarray  # [slots * 2]
    bands: np.ndarray  # [slots * 2, BANDS]


def sentences(shard: Mapping[str, np.ndarray]) -> Iterator[Sentence]:
    starts, pitch, bands = shard["starts"], shard["pitch"], shard["bands"]
    phonemes, left, words = shard["phonemes"], shard["left"], shard["words"]
    for begin, end in zip(starts, starts[1:]):
        slots, hops = slice(begin, end), slice(2 * begin, 2 * end)
        yield Sentence(phonemes[slots], left[slots], words[slots], pitch[hops], bands[hops])


def around(slots: int, late: int) -> tuple[int, int]:
    """Slots of silence before and behind, so that whole frames come of it."""
    return late, -(late + slots) % SLOTS


@dataclass(frozen=True)
class Slots:
    """A sentence that begins `late` slots late, in whole frames; behind its end one slot of nothing."""

    phonemes: np.ndarray
    left: np.ndarray
    words: np.ndarray
    places: np.ndarray  # of the phonemes in their words


def whole_frames(sentence: Sentence, late: int) -> Slots:
    before, behind = around(len(sentence.phonemes), late)
    left = np.concatenate([
        sentence.left[0] + np.arange(before, 0, -1), sentence.left, np.arange(behind - 1, -1, -1), [-1]
    ]).astype(int)  # fmt: skip
    words = np.pad(sentence.words, (before, behind + 1), "edge")
    is_first = np.append(True, left[:-1] == 0)
    phoneme = is_first.cumsum() - 1
    opens_word = np.append(True, words[1:] != words[:-1])
    places = phoneme - np.maximum.accumulate(np.where(opens_word, phoneme, 0))
    return Slots(np.pad(sentence.phonemes, (before, behind + 1)).astype(int), left, words, places)


def ends_and_next(left: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The last slot of each frame, where the phoneme after that of this slot begins, and the one after it."""
    end = len(left) - 1
    last = np.arange(SLOTS - 1, end, SLOTS)
    following = np.minimum(last + left[last] + 1, end)
    return last, following, np.minimum(following + left[following] + 1, end)


def spoken_codes(sentence: Sentence, voice: int, late: int) -> np.ndarray:
    """[frames, SPOKEN]"""
    slots = whole_frames(sentence, late)
    last, following, second = ends_and_next(slots.left)
    before, behind = around(len(sentence.phonemes), late)
    pitch = np.pad(sentence.pitch, (2 * before, 2 * behind), "edge") * VOICES[voice].pitch
    counts = periods(pitch)
    left, phonemes, places = (
        np.minimum(slots.left, PLACE_CODES - 1),
        slots.phonemes,
        slots.places % PLACES * PLACE_CODES,
    )
    return np.stack([
        *phonemes[:-1].reshape(-1, SLOTS).T, counts + VOICE_CODES * voice, np.append(counts[1:], counts[-1]),
        left[last] + places[following], phonemes[following], np.maximum(left[following], 0) + places[second],
        phonemes[second],
    ], axis=1)  # fmt: skip


def frame_words(sentence: Sentence, late: int) -> np.ndarray:
    """[frames, 2]: the word of the last slot, and of the phoneme of code 8."""
    slots = whole_frames(sentence, late)
    last, _, second = ends_and_next(slots.left)
    return np.stack([slots.words[last], slots.words[second]], axis=1)


def frame_bands(sentence: Sentence, late: int) -> np.ndarray:
    """[frames, HOPS * BANDS]"""
    before, behind = (2 * slots for slots in around(len(sentence.phonemes), late))
    bands = np.pad(sentence.bands.astype(np.float32), ((before, behind), (0, 0)), constant_values=FAINTEST)
    return np.maximum(bands, FAINTEST).reshape(-1, HOPS * BANDS)


def with_previous(codes: np.ndarray) -> np.ndarray:
    """[frames, 2 * SPOKEN]: of the frame before, too."""
    return np.concatenate([codes, np.concatenate([codes[:1], codes[:-1]])], axis=1)


class Residual(nn.Module):
    """The spectrum that the spoken codes let expect, and codebooks of what is left."""

    books: Tensor  # [levels, CODES, HOPS * BANDS]

    def __init__(self) -> None:
        super().__init__()
        size = HOPS * BANDS
        self.tables = nn.ModuleList(nn.Embedding(CODES, HIDDEN) for _ in range(2 * SPOKEN))
        self.network = nn.Sequential(nn.GELU(), nn.Linear(HIDDEN, HIDDEN), nn.GELU(), nn.Linear(HIDDEN, size))
        self.register_buffer("books", torch.zeros(GROUPS - SPOKEN, CODES, size))

    def forward(self, codes: Tensor) -> Tensor:
        """Expected bands [N, HOPS * BANDS] of codes [N, 2 * SPOKEN]."""
        rows = torch.stack([table(codes[:, index]) for index, table in enumerate(self.tables)]).sum(0)
        y: Tensor = self.network(rows * len(self.tables) ** -0.5)
        return y

    @torch.no_grad()
    def quantize(self, codes: Tensor, bands: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [N, levels] of bands [N, HOPS * BANDS], and what they leave."""
        rest, found = bands - self(codes), []
        for book in self.books:
            found.append(nearest(rest, book))
            rest = rest - book[found[-1]]
        return torch.stack(found, 1), rest


def nearest(rows: Tensor, book: Tensor) -> Tensor:
    return (rows @ book.t() - book.square().sum(1) / 2).argmax(1)


def k_means(rows: Tensor) -> Tensor:
    """[CODES, D]; a code that nothing is nearest to begins again at one of the rows."""
    book = rows[torch.randperm(len(rows))[:CODES]]
    for _ in range(ROUNDS):
        chosen = nearest(rows, book)
        counts = torch.bincount(chosen, minlength=CODES)
        sums = torch.zeros_like(book).index_add_(0, chosen, rows)
        unused = counts == 0
        sums[unused], counts[unused] = rows[torch.randperm(len(rows))[: int(unused.sum())]], 1
        book = sums / counts[:, None]
    return book


def fit(shards: list[Path]) -> Residual:
    torch.manual_seed(SEED)
    codes, bands = [], []
    for path in shards:
        shard = np.load(path)
        for index, sentence in enumerate(sentences(shard)):
            codes.append(with_previous(spoken_codes(sentence, 0, index % SLOTS)))
            bands.append(frame_bands(sentence, index % SLOTS))
    inputs, targets = torch.from_numpy(np.concatenate(codes)), torch.from_numpy(np.concatenate(bands))
    model = Residual()
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0.01)
    for step in track(range(STEPS), "expectation", console=Console(stderr=True)):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - step / STEPS)
        rows = torch.randint(0, len(inputs), (BATCH,))
        loss = F.mse_loss(model(inputs[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    chosen = torch.randperm(len(inputs))[:FITTED]
    inputs, targets = inputs[chosen], targets[chosen]
    with torch.no_grad():
        rest = targets - model(inputs)
        print(f"variance of the bands {targets.var(0).mean():.3f}, not expected {rest.square().mean():.3f}")
        for book in model.books:
            book.copy_(k_means(rest))
            rest -= book[nearest(rest, book)]
    used = model.quantize(inputs, targets)[0]
    shares = F.one_hot(used, CODES).float().mean(0)
    perplexity = torch.exp(-(shares * (shares + 1e-9).log()).sum(1))
    print(f"left by {len(model.books)} codebooks {rest.square().mean():.3f}; codes in use, as a perplexity: "
          + " ".join(f"{value:.0f}" for value in perplexity))  # fmt: skip
    return model.eval()


def encode_shard(model: Residual, path: Path) -> dict[str, np.ndarray]:
    shard = np.load(path)
    spoken = list(sentences(shard))
    codes, starts, words = [], [], []
    for late in range(SLOTS):
        of_voices = [[spoken_codes(s, voice, late) for s in spoken] for voice in range(len(SPEAKERS))]
        inputs = np.concatenate([with_previous(each) for each in of_voices[0]])
        bands = np.concatenate([frame_bands(s, late) for s in spoken])
        residual = model.quantize(torch.from_numpy(inputs), torch.from_numpy(bands))[0].numpy()
        codes.append([np.concatenate([np.concatenate(each), residual], axis=1) for each in of_voices])
        starts.append(np.cumsum([0] + [len(each) for each in of_voices[0]]))
        words.append(np.concatenate([frame_words(s, late) for s in spoken]))
    return {
        "codes": np.stack([of_one_length(voices) for voices in zip(*codes)], axis=1),
        "starts": np.array(starts),
        "words": of_one_length(words),
    }


def of_one_length(tables: Sequence[np.ndarray]) -> np.ndarray:
    """[len(tables), the most rows, columns] uint8"""
    longest = max(len(table) for table in tables)
    return np.stack([np.pad(table, ((0, longest - len(table)), (0, 0))) for table in tables]).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument(
        "--fitted", type=int, default=12, help="shards that codebooks are made of (default: %(default)s)"
    )
    parser.add_argument("--threads", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    shards = sorted(args.speech.glob("train-[0-9]*.npz"))
    kept = args.out / "residual.pt"
    if kept.exists():
        model = Residual().eval()
        model.load_state_dict(torch.load(kept, weights_only=True))
    else:
        model = fit(shards[: args.fitted])
        unfinished = kept.with_suffix(".tmp")
        torch.save(model.state_dict(), unfinished)
        unfinished.replace(kept)
    paths = [path for part in ("gate", "eval") for path in sorted(args.speech.glob(f"{part}-[0-9]*.npz"))] + shards
    for path in track(paths, "shards", console=Console(stderr=True)):
        target = args.out / path.name
        if not target.exists():
            unfinished = target.with_suffix(".tmp.npz")
            np.savez(unfinished, **encode_shard(model, path))  # type: ignore[arg-type]  # numpy's stub
            unfinished.replace(target)


if __name__ == "__main__":
    main()
