"""What the runner knows of characters, against Python's Unicode: case folding and what is invisible."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from pathlib import Path

import pytest

import models
from qwen3_tts.names import find_name, find_same_names, folded_name

CODE_POINTS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
TABLES = models.REPOSITORY / "runner/src/base/unicode_tables.cpp"

# Format characters that show: signs over Arabic, Syriac and Kaithi numbers, and joiners of hieroglyphs.
SEEN_FORMATS = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD, *range(0x13430, 0x13440)}
# Letters and a symbol without a shape.
UNSEEN_OTHERS = {0x115F, 0x1160, 0x3164, 0xFFA0, 0x2800}


@pytest.fixture(scope="module")
def facts(build_dir: Path) -> dict[str, dict[int, str]]:
    """Kind of fact -> code point -> what the runner says."""
    program = build_dir / "tests" / "unicode_stdout"
    if not program.is_file():
        pytest.fail(f"{program} is missing: build the target unicode_stdout")
    output = subprocess.run([program], capture_output=True, text=True, timeout=60, check=True).stdout
    found: dict[str, dict[int, str]] = {"fold": {}, "invisible": {}}
    for line in output.splitlines():
        kind, code, value = line.split(" ", 2)
        found[kind][int(code, 16)] = value
    return found


def is_assigned(code: int) -> bool:
    return unicodedata.category(chr(code)) != "Cn"


def table_version() -> str:
    """The Unicode version that the case foldings are of."""
    match = re.search(r"and Unicode ([\d.]+);", TABLES.read_text(encoding="utf-8"))
    assert match is not None
    return match[1]


def test_case_folding_is_pythons(facts: dict[str, dict[int, str]]) -> None:
    folded = {code: "".join(chr(int(part, 16)) for part in parts.split()) for code, parts in facts["fold"].items()}
    assert len(folded) > 1500
    codes = [code for code in CODE_POINTS if is_assigned(code)]
    if unicodedata.unidata_version != table_version():  # the older one of the two misses letters
        codes = [code for code in codes if code in folded and chr(code).casefold() != chr(code)]
    differing = [code for code in codes if folded.get(code, chr(code)) != chr(code).casefold()]
    assert differing == []


def test_controls_spaces_and_formats_are_invisible(facts: dict[str, dict[int, str]]) -> None:
    categories = ("Cc", "Zs", "Zl", "Zp", "Cf")
    unseen = {code for code in CODE_POINTS if unicodedata.category(chr(code)) in categories} - SEEN_FORMATS
    assert unseen - facts["invisible"].keys() == set()


def test_nothing_that_shows_is_invisible(facts: dict[str, dict[int, str]]) -> None:
    invisible = facts["invisible"].keys() - UNSEEN_OTHERS
    assert {unicodedata.category(chr(code)) for code in invisible} <= {"Cc", "Zs", "Zl", "Zp", "Cf", "Mn", "Me", "Cn"}
    assert invisible.isdisjoint(SEEN_FORMATS)
    marks = {code for code in invisible if unicodedata.category(chr(code)) in ("Mn", "Me")}
    names = {unicodedata.name(chr(code)).split()[0] for code in marks}
    assert names <= {"COMBINING", "VARIATION", "MONGOLIAN", "KHMER"}  # no vowel sign of any script


def test_names_are_unicodes(facts: dict[str, dict[int, str]]) -> None:
    aliases = {"TAB", "LINE FEED", "CARRIAGE RETURN"}  # of controls, which have no names
    capitals = {code: name for code, name in facts["invisible"].items() if name.isupper() and name not in aliases}
    assert len(capitals) > 40
    assert {code: unicodedata.name(chr(code)) for code in capitals} == capitals


# ----------------------------------------------------------------------------------------------------------------------
# Names in Python


def test_names_are_found_in_any_case() -> None:
    names = ["Анна", "ÉLODIE", "straße"]
    assert find_name(names, "аННА") == "Анна"
    assert find_name(names, "e\u0301lodie") == "ÉLODIE"
    assert find_name(names, "STRASSE") == "straße"
    assert find_name(names, "anna") is None
    assert folded_name("J\u030c") == folded_name("\u01f0")


def test_same_names_are_found() -> None:
    assert find_same_names(["Анна", "Ryan", "АННА"]) == ("Анна", "АННА")
    assert find_same_names(["\u00e9", "e\u0301"]) == ("\u00e9", "e\u0301")
    assert find_same_names(["Straße", "STRASSE"]) == ("Straße", "STRASSE")
    assert find_same_names(["ann", "anne", "Élodie", "Elodie"]) is None
