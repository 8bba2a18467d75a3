"""Writes the codes of the teacher's speech: what the codec decoder and the talker learn from.

    python demo_voice/train/codes.py --speech DIR/speech --out DIR/codes

The codes of a frame are few facts from which a voice can be made again, so that a talker of a few million parameters
can say them; codes that a network is free to choose were better at spectra and could not be predicted (README.md):

  0, 1, 2   phoneme of each slot
  3         pitch periods in the frame, and 64 * voice
  4         the same of the next frame
  5         slots that the last phoneme still lasts, and PLACE_CODES * the place in its word of the phoneme after it
  6, 7, 8   that phoneme; the slots it lasts less one, and PLACE_CODES * the place of the one after it; the one after it
  9         the slots that one lasts less one

DIR/codes/{train,eval,gate}-NNN.npz, one for each shard of speech:
  codes [SLOTS, voices, frames, groups] uint8, sentences in a row, begun that many slots late
  starts [SLOTS, sentences + 1] int64, in frames
  words [SLOTS, frames, 2] uint8: which word of the text the last slot belongs to, and which the phoneme of code 8
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from layout import SLOTS, SPEAKERS, VOICE_CODES
from rendering import VOICES, periods

PLACE_CODES, PLACES = 16, 8  # a place in a word is told but for multiples of PLACES


@dataclass(frozen=True)
class Sentence:
    phonemes: np.ndarray  # [slots] uint8
    left: np.ndarray  # [slots]
    words: np.ndarray  # [slots]
    pitch: np.ndarray  # [slots * 2]


def sentences(shard: Mapping[str, np.ndarray]) -> Iterator[Sentence]:
    starts, pitch = shard["starts"], shard["pitch"]
    phonemes, left, words = shard["phonemes"], shard["left"], shard["words"]
    for begin, end in zip(starts, starts[1:]):
        slots = slice(begin, end)
        yield Sentence(phonemes[slots], left[slots], words[slots], pitch[2 * begin : 2 * end])


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


def frame_codes(sentence: Sentence, voice: int, late: int) -> np.ndarray:
    """[frames, groups]"""
    slots = whole_frames(sentence, late)
    last, following, second = ends_and_next(slots.left)
    before, behind = around(len(sentence.phonemes), late)
    counts = periods(np.pad(sentence.pitch, (2 * before, 2 * behind), "edge"), VOICES[voice])
    left = np.minimum(slots.left, PLACE_CODES - 1)
    phonemes, places = slots.phonemes, slots.places % PLACES * PLACE_CODES
    return np.stack([
        *phonemes[:-1].reshape(-1, SLOTS).T, counts + VOICE_CODES * voice, np.append(counts[1:], counts[-1]),
        left[last] + places[following], phonemes[following], np.maximum(left[following], 0) + places[second],
        phonemes[second], np.maximum(left[second], 0),
    ], axis=1)  # fmt: skip


def frame_words(sentence: Sentence, late: int) -> np.ndarray:
    """[frames, 2]: the word of the last slot, and of the phoneme of code 8."""
    slots = whole_frames(sentence, late)
    last, _, second = ends_and_next(slots.left)
    return np.stack([slots.words[last], slots.words[second]], axis=1)


def encode_shard(job: tuple[Path, Path]) -> None:
    """Codes of a shard of speech to the second path."""
    path, target = job
    spoken = list(sentences(np.load(path)))
    codes, starts, words = [], [], []
    for late in range(SLOTS):
        of_voices = [[frame_codes(each, voice, late) for each in spoken] for voice in range(len(SPEAKERS))]
        codes.append([np.concatenate(each) for each in of_voices])
        starts.append(np.cumsum([0] + [len(each) for each in of_voices[0]]))
        words.append(np.concatenate([frame_words(each, late) for each in spoken]))
    unfinished = target.with_suffix(".tmp.npz")
    np.savez(
        unfinished,
        codes=np.stack([of_one_length(voices) for voices in zip(*codes)], axis=1),
        starts=np.array(starts),
        words=of_one_length(words),
    )
    unfinished.replace(target)


def of_one_length(tables: Sequence[np.ndarray]) -> np.ndarray:
    """[len(tables), the most rows, columns] uint8"""
    longest = max(len(table) for table in tables)
    return np.stack([np.pad(table, ((0, longest - len(table)), (0, 0))) for table in tables]).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speech", required=True, type=Path, metavar="DIR", help="what teacher.py wrote")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    paths = sorted(args.speech.glob("*-[0-9][0-9][0-9].npz"))
    if not paths:
        raise SystemExit(f"{args.speech}: no train-*.npz; run teacher.py first")
    jobs = [(path, args.out / path.name) for path in paths if not (args.out / path.name).exists()]
    with Pool() as pool:
        done = pool.imap(encode_shard, jobs)
        for _ in track(done, "shards", len(jobs), console=Console(stderr=True)):
            pass


if __name__ == "__main__":
    main()
