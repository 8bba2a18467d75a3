"""Writes runner/src/base/unicode_tables.cpp: character classes and NFC data, probed out of Hugging Face `tokenizers`.

Usage: python scripts/generate_unicode_tables.py    (needs the pinned `tokenizers`; takes about half a minute)

The runner's tokenizer has to agree with `tokenizers` on every code point, and that library's regex engine and its
normaliser each carry a Unicode version of their own (Python's unicodedata is a third one). So each fact is asked of
the library itself: the split's classes with `Split`, decompositions with `NFD`, which of them compose with `NFC`, and
a combining class from the side on which NFD sorts the character beside marks whose class is known. Case folding, by
which names are found, is that of Python's str.casefold(), which conversion compares them with.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers.normalizers import NFC, NFD
from tokenizers.pre_tokenizers import Split

NUM_CODE_POINTS = 0x110000
SURROGATES = range(0xD800, 0xE000)
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)  # the runner computes these
CLASSES = (("kLetter", r"\p{L}"), ("kNumber", r"\p{N}"), ("kSpace", r"\s"))
LINE_WIDTH = 120

Range = tuple[int, int, int]  # first, last, value


def code_points() -> Iterator[int]:
    return (code for code in range(NUM_CODE_POINTS) if code not in SURROGATES)


def to_ranges(values: Iterable[tuple[int, int]]) -> list[Range]:
    """Runs of neighbours with one value, out of (code point, value) in ascending order."""
    runs = groupby(enumerate(values), key=lambda item: (item[1][0] - item[0], item[1][1]))
    ranges = []
    for (_, value), run in runs:
        members = [code for _, (code, _) in run]
        ranges.append((members[0], members[-1], value))
    return ranges


def probe_class(pattern: str) -> list[int]:
    """Code points that the pattern matches, ascending."""
    matcher = Split(Regex(pattern), behavior="removed", invert=True)
    return [ord(char) for code in code_points() for char, _ in matcher.pre_tokenize_str(chr(code))]


def probe_classes() -> list[Range]:
    """The split's classes as ranges; the value is the index in CLASSES. A code point has one class at most."""
    class_of: dict[int, int] = {}
    for index, (name, pattern) in enumerate(CLASSES):
        members = probe_class(pattern)
        if not class_of.keys().isdisjoint(members):
            raise ValueError(f"class {name} shares code points with another one")
        class_of.update((code, index) for code in members)
    return to_ranges(sorted(class_of.items()))


def sorts_before(low: str, high: str) -> bool:
    """Whether NFD moves the mark `low` in front of the mark `high`."""
    return NFD().normalize_str("a" + high + low) == "a" + low + high


def known_marks() -> list[tuple[int, str]]:
    """(combining class, a mark that the library knows to be of that class), ascending.

    Unicode never changes the class of a character, but the library may not know the latest characters.
    """
    lowest, highest = "\u0334", "\u0345"  # classes 1 and 240
    marks: dict[int, str] = {}
    for code in code_points():
        char = chr(code)
        if NFD().normalize_str(char) == char and (sorts_before(lowest, char) or sorts_before(char, highest)):
            marks.setdefault(unicodedata.combining(char), char)
    if marks.pop(0, None):
        raise ValueError("the library knows combining marks that Python's unicodedata does not; use a newer Python")
    ordered = sorted(marks.items())
    for (_, low), (_, high) in pairwise(ordered):
        if not sorts_before(low, high):
            raise ValueError(f"U+{ord(low):04X} should sort before U+{ord(high):04X}")
    return ordered


def probe_combining_classes() -> list[Range]:
    """Ranges of code points whose canonical combining class is not 0."""
    marks = known_marks()
    return to_ranges((code, value) for code in code_points() if (value := combining_class(chr(code), marks)))


def combining_class(char: str, marks: list[tuple[int, str]]) -> int:
    """The class of the one known mark that trades places with the character on neither side; 0 for a starter."""
    if NFD().normalize_str(char) != char:
        return 0  # decomposed before its class could matter
    if not sorts_before(marks[0][1], char) and not sorts_before(char, marks[-1][1]):
        return 0
    for value, mark in marks:
        if mark == char or (not sorts_before(mark, char) and not sorts_before(char, mark)):
            return value
    raise ValueError(f"U+{ord(char):04X} has a combining class that no known mark has")


def probe_decompositions() -> list[tuple[int, int, int, bool]]:
    """(code point, first, second or 0, whether the pair composes), ascending, without the Hangul syllables.

    One step at a time: `first` may decompose further.
    """
    nfd, nfc = NFD().normalize_str, NFC().normalize_str
    full = {}
    for code in code_points():
        if code not in HANGUL_SYLLABLES and (parts := nfd(chr(code))) != chr(code):
            full[code] = parts
    whole_of: dict[str, int] = {}
    for code, parts in full.items():
        if parts not in whole_of or nfc(chr(code)) == chr(code):
            whole_of[parts] = code
    rows = []
    for code, parts in full.items():
        if len(parts) == 1:
            rows.append((code, ord(parts), 0, False))
            continue
        head = parts[:-1]
        first = ord(head) if len(head) == 1 else whole_of[head]
        rows.append((code, first, ord(parts[-1]), nfc(parts) == chr(code)))
    return rows


def probe_case_foldings() -> list[tuple[int, str]]:
    """(code point, what it folds to), ascending, of those that do not stay as they are."""
    return [(code, folded) for code in code_points() if (folded := chr(code).casefold()) != chr(code)]


def folding_row(code: int, folded: str) -> str:
    return f"{{{code:#x},{{{','.join(hex(ord(char)) for char in folded)}}}}}"


def wrap(items: Iterable[str]) -> str:
    """The items as comma-separated lines of the body of an initializer."""
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > LINE_WIDTH:
            lines.append(line)
            line = "   "
        line += f" {item},"
    return "\n".join([*lines, line])


def array(row_type: str, name: str, rows: list[str]) -> str:
    """The definition of one table of unicode_tables.h."""
    return (
        f"constexpr {row_type} {name}Rows[] = {{\n{wrap(rows)}\n}};\n"
        f"const UnicodeTable<{row_type}> {name} = {{{name}Rows, std::size({name}Rows)}};\n"
    )


def render() -> str:
    classes = probe_classes()
    combining = probe_combining_classes()
    decompositions = probe_decompositions()
    pairs = [(first, second, row) for row, (_, first, second, composes) in enumerate(decompositions) if composes]
    if len({pair[:2] for pair in pairs}) != len(pairs):
        raise ValueError("two characters compose from the same pair")
    logging.info("%d class ranges, %d combining ranges", len(classes), len(combining))
    logging.info("%d decompositions, %d compositions", len(decompositions), len(pairs))
    foldings = [folding_row(code, folded) for code, folded in probe_case_foldings()]
    versions = f"tokenizers {tokenizers.__version__} and Unicode {unicodedata.unidata_version}"
    sections = [
        f"// Made by scripts/generate_unicode_tables.py from {versions}; do not edit.",
        '#include "base/unicode_tables.h"\n\n#include <iterator>\n\nnamespace qwen3_tts {\n\nnamespace {\n',
        "// One letter each, for short rows.",
        *(f"constexpr CharClass {name[1]} = CharClass::{name};" for name, _ in CLASSES),
        "\n}  // namespace\n\n// clang-format off",
        array(
            "ClassRange",
            "kClassRanges",
            [f"{{{first:#x},{last:#x},{CLASSES[value][0][1]}}}" for first, last, value in classes],
        ),
        array("CombiningRange", "kCombiningRanges", [f"{{{a:#x},{b:#x},{value}}}" for a, b, value in combining]),
        array("Decomposition", "kDecompositions", [f"{{{a:#x},{b:#x},{c:#x}}}" for a, b, c, _ in decompositions]),
        array("uint16_t", "kCompositions", [str(row) for _, _, row in sorted(pairs)]),
        array("CaseFolding", "kCaseFoldings", foldings),
        "// clang-format on\n\n}  // namespace qwen3_tts\n",
    ]
    return "\n".join(sections)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path = Path(__file__).parent.parent / "runner/src/base/unicode_tables.cpp"
    path.write_text(render(), encoding="utf-8")
    logging.info("wrote %s, %d bytes", path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
