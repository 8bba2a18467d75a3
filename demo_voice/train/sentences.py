"""Writes the sentences that the demo voice is trained and judged on.

    python demo_voice/train/sentences.py --out DIR [--count 20000] [--seed 1]

DIR/train.txt, eval.txt (50 sentences) and gate.txt (20): one sentence a line, made of grammar.txt. No sentence of the
last two stands in the first, and none stands anywhere twice, in whatever case or punctuation.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

GRAMMAR = Path(__file__).with_name("grammar.txt")
EVAL_COUNT, GATE_COUNT = 50, 20
MAX_LETTERS = 62  # about four seconds of speech
MIN_HELD_OUT_WORDS = 4  # a word error rate of "Yes." says little
SLOT = re.compile(r"\{(\w+)\}")
RULE = re.compile(r"(\w+)(?: \*(\d+))? = (.*)")
VOWEL_SOUND = re.compile(r"\b([Aa]) (?=[aeio]|(?:hour|honest|uncle|umbrella|ugly)\b)")


def read_grammar(path: Path) -> tuple[dict[str, list[str]], dict[str, int]]:
    """Alternatives by rule, and how frequent each kind of sentence is."""
    rules: dict[str, list[str]] = {}
    frequencies: dict[str, int] = {}
    name = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        match = RULE.fullmatch(line)
        if match:
            name, frequency, line = match[1], match[2], match[3]
            rules[name] = []
            if frequency:
                frequencies[name] = int(frequency)
        rules[name] += [text for text in map(str.strip, line.split("|")) if text]
    return rules, frequencies


def clock(rng: random.Random) -> str:
    hour, minute = rng.randint(1, 12), rng.choice([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, rng.randint(10, 59)])
    half = rng.choice(["", "", " AM", " PM"])
    return f"{hour} o'clock" if minute == 0 and not half else f"{hour}:{minute:02}{half}"


def clock_words(rng: random.Random) -> str:
    numbers = "one two three four five six seven eight nine ten eleven twelve".split()
    hour = rng.choice(numbers)
    minutes = f"{rng.choice(['five', 'ten', 'twenty'])} {rng.choice(['past', 'to'])} {hour}"
    quarters = (f"half past {hour}", f"a quarter past {hour}", f"a quarter to {hour}")
    return rng.choice([*quarters, minutes, f"{hour} o'clock", "noon", "midnight"])


def number(rng: random.Random) -> str:
    """Small ones more often than large ones."""
    return str(rng.randint(1, rng.choice([12, 20, 99, 99, 100, 999])))


def ordinal(rng: random.Random) -> str:
    return rng.choice("first second third fourth fifth sixth seventh eighth ninth tenth next last".split())


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "TIME": clock,
    "CLOCK_WORDS": clock_words,
    "NUMBER": number,
    "SMALL": lambda rng: str(rng.randint(1, 30)),
    "DIGITS": lambda rng: ", ".join(str(rng.randint(0, 9)) for _ in range(rng.randint(3, 4))),
    "YEAR": lambda rng: str(rng.randint(1700, 2030)),
    "ORDINAL": ordinal,
}


class Grammar:
    def __init__(self, path: Path, seed: int):
        self.rules, frequencies = read_grammar(path)
        self.rng = random.Random(seed)
        self.kinds, self.weights = list(frequencies), list(frequencies.values())

    def sentence(self) -> str:
        kind = self.rng.choices(self.kinds, self.weights)[0]
        text = VOWEL_SOUND.sub(r"\1n ", self._expand(kind))
        return text[0].upper() + text[1:]

    def _expand(self, name: str) -> str:
        if name == "DATE":
            return f"{self.rng.choice(self.rules['month'])} {ordinal_digits(self.rng.randint(1, 31))}"
        if name in MAKERS:
            return MAKERS[name](self.rng)
        return SLOT.sub(lambda slot: self._expand(slot[1]), self.rng.choice(self.rules[name]))


def ordinal_digits(day: int) -> str:
    ending = "th" if day // 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def key(sentence: str) -> str:
    """What two sentences that sound alike share."""
    return re.sub(r"[^a-z0-9 ]", "", sentence.lower())


def distinct(grammar: Grammar) -> Iterator[str]:
    seen: set[str] = set()
    while True:
        sentence = grammar.sentence()
        if len(sentence) <= MAX_LETTERS and key(sentence) not in seen:
            seen.add(key(sentence))
            yield sentence


def split(sentences: Iterator[str], count: int) -> dict[str, list[str]]:
    """The first long enough sentences are held out, so that a larger `count` leaves them as they are."""
    parts: dict[str, list[str]] = {"eval": [], "gate": [], "train": []}
    while len(parts["train"]) < count:
        sentence = next(sentences)
        long_enough = len(sentence.split()) >= MIN_HELD_OUT_WORDS
        if long_enough and len(parts["gate"]) < GATE_COUNT:
            parts["gate"].append(sentence)
        elif long_enough and len(parts["eval"]) < EVAL_COUNT:
            parts["eval"].append(sentence)
        else:
            parts["train"].append(sentence)
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--count", type=int, default=20000, help="training sentences (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, lines in split(distinct(Grammar(GRAMMAR, args.seed)), args.count).items():
        (args.out / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
