"""Judges of speech that this project did not train: Whisper base for words, DistillMOS for quality.

Packages and weights: see demo_voice/train/README.md, "Judges"; whisper_weights.py. Sound is fp32 at 24 kHz in [-1, 1].
"""

from __future__ import annotations

import hashlib
import re
import sys
import types
from pathlib import Path

import numpy as np
import torch

WHISPER_SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
SAMPLE_RATE = 24000
FIRST_WORDS = {"zh": "以下是普通话的句子。"}  # asks for simplified characters
ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
MONTHS = "january february march april may june july august september october november december".replace(" ", "|")
SAME = {
    "mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay", "oclock": "o'clock", "grey": "gray",
    "theatre": "theater", "harbour": "harbor", "colour": "color", "traveled": "travelled",
}  # fmt: skip


def number_words(value: int) -> str:
    if value < 20:
        return ONES[value]
    if value < 100:
        return TENS[value // 10] + (f" {ONES[value % 10]}" if value % 10 else "")
    if value < 1000:
        return f"{ONES[value // 100]} hundred" + (f" {number_words(value % 100)}" if value % 100 else "")
    return f"{number_words(value // 1000)} thousand" + (f" {number_words(value % 1000)}" if value % 1000 else "")


def ordinal_words(value: int) -> str:
    *head, last = number_words(value).split()
    last = ORDINALS.get(last, f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th")
    return " ".join([*head, last])


def words(text: str) -> list[str]:
    """Lower-case words without punctuation; numbers spelled out, so that 12 and twelve are the same."""
    text = text.lower().replace("a.m.", "am").replace("p.m.", "pm").replace(":00", "").replace("%", " percent")
    text = re.sub(r"\$(\d+)\.(\d\d)", r"\1 dollars and \2 cents", text)
    text = re.sub(r"\$(\d+)", r"\1 dollars", text)
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(rf"\b({MONTHS}) (\d\d?)\b(?!th|st|nd|rd)", r"\1 \2th", text)  # read as an ordinal either way
    text = re.sub(r"\b(\d+)(?:st|nd|rd|th)\b", lambda match: ordinal_words(int(match[1]) % 1000000), text)
    text = re.sub(r"\d+", lambda match: f" {number_words(int(match[0]) % 1000000)} ", text)
    text = text.replace("’", "'").replace("o'clock", "oclock")
    cleaned = re.sub(r"[^a-z' ]", " ", text).replace("'", "").split()
    return [SAME.get(word, word) for word in cleaned]


def edits(said: list[str], heard: list[str]) -> int:
    """Words to insert, delete or replace: Levenshtein's distance."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        previous, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != other))
    return row[-1]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Whisper:
    def __init__(self, folder: Path, threads: int = 1):
        """folder: model.bin, config.json, tokenizer.json, vocabulary.txt."""
        from faster_whisper import WhisperModel

        if (digest := sha256_of(folder / "model.bin")) != WHISPER_SHA256:
            raise SystemExit(f"{folder / 'model.bin'}: SHA-256 is {digest}, not {WHISPER_SHA256}")
        self._model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def transcribe(self, samples: np.ndarray, language: str = "en") -> str:
        """language: a code of Whisper's, such as "de"."""
        segments, _ = self._model.transcribe(
            resample_to_16k(samples),
            language=language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            initial_prompt=FIRST_WORDS.get(language),
        )
        return " ".join(segment.text for segment in segments)


class DistillMOS:
    def __init__(self) -> None:
        sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))  # imported by its command line only
        import distillmos

        self._model = distillmos.ConvTransformerSQAModel().eval()

    @torch.no_grad()
    def score(self, samples: np.ndarray) -> float:
        return float(self._model(torch.from_numpy(resample_to_16k(samples))[None]))


def resample_to_16k(samples: np.ndarray) -> np.ndarray:
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(samples, 2, 3), dtype=np.float32)


def word_error_rate(pairs: list[tuple[str, str]]) -> float:
    """Of (said, heard): wrong words over said words."""
    wrong = sum(edits(words(said), words(heard)) for said, heard in pairs)
    return wrong / sum(len(words(said)) for said, _ in pairs)
