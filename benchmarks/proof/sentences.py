"""The sentences that are judged: a file for each language, in sections that say what kind they are.

# numbers
The train leaves at quarter past six.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SINGLE_FILE_LANGUAGE = "english"


@dataclass(frozen=True)
class Sentence:
    language: str
    kind: str  # "" without sections
    text: str


def read_sentences(place: Path, languages: Iterable[str]) -> list[Sentence]:
    """Of a folder with <language>.txt, those in `languages`; or of one file, which is English.

    Raises ValueError when there is none.
    """
    files = sorted(place.glob("*.txt")) if place.is_dir() else [place]
    known = {language.lower() for language in languages}
    found = []
    for file in files:
        language = file.stem if place.is_dir() else SINGLE_FILE_LANGUAGE
        if language in known:
            found += read_file(file, language)
    if not found:
        raise ValueError(f"{place}: no sentences in a language that the model speaks: {', '.join(sorted(known))}")
    return found


def read_file(file: Path, language: str) -> list[Sentence]:
    kind, found = "", []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("#"):
            kind = text.lstrip("# ")
        elif text:
            found.append(Sentence(language, kind, text))
    return found


def spread_out(sentences: list[Sentence], count: int) -> list[Sentence]:
    """So many of them, evenly from the whole list: of every language and kind."""
    if count >= len(sentences):
        return sentences
    return [sentences[index * len(sentences) // count] for index in range(count)]
