"""The README's tables of flags say what --help says."""

from __future__ import annotations

import re
from pathlib import Path

from models import REPOSITORY
from runner_program import call

COLUMN = 30  # where descriptions begin
Row = tuple[str, str]  # the flag with its value, what it does


def flags_of_help(text: str) -> dict[str, list[Row]]:
    """Group -> rows."""
    groups: dict[str, list[Row]] = {}
    rows: list[Row] = []
    for line in text.split("Examples:")[0].splitlines()[2:]:
        if group := re.fullmatch(r"(\w+):", line):
            rows = groups.setdefault(group[1], [])
        elif line.startswith("  -"):
            fits = line[COLUMN - 1 : COLUMN] in ("", " ")
            rows.append((line[:COLUMN].strip(), line[COLUMN:]) if fits else (line.strip(), ""))
        elif line.strip():
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {line.strip()}".strip())
    return groups


def flags_of_readme(text: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for heading, table in re.findall(r"^\| \*\*(\w+)\*\* \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.M):
        groups[heading] = re.findall(r"^\| `(.*?)` \| (.*) \|$", table, re.M)
    return groups


def test_tables_of_flags_equal_the_help(runner: Path) -> None:
    help_text = call(runner, help=True).stdout.decode()
    expected = flags_of_help(help_text)
    assert sum(map(len, expected.values())) > 35
    assert flags_of_readme((REPOSITORY / "README.md").read_text(encoding="utf-8")) == expected


def test_table_of_voice_flags_equals_the_help(runner: Path) -> None:
    help_text = call(runner.with_name("qwen3_tts_voice"), words=("create",), help=True).stdout.decode()
    rows = dict(flags_of_help(help_text)["Options"])
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| `qwen3_tts_voice create` \| \|\n\|---\|---\|\n((?:\|.*\n)+)", readme, re.M)
    assert len(rows) > 10
    assert dict(re.findall(r"^\| `(.*?)` \| (.*) \|$", table, re.M)) == rows
