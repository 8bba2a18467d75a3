"""The documentation says what the programs say, and its links lead somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models import REPOSITORY
from runner_program import call, speak

COLUMN = 30  # where descriptions begin
Row = tuple[str, str]  # the flag with its value, what it does
PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(page for name in ("docs", "demo_voice") for page in (REPOSITORY / name).rglob("*.md"))]
)


def read(name: str) -> str:
    return (REPOSITORY / name).read_text(encoding="utf-8")


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


def flags_of_page(text: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for heading, table in re.findall(r"^\| \*\*(\w+)\*\* \| \|\n\|---\|---\|\n((?:\|.*\n)+)", text, re.M):
        groups[heading] = re.findall(r"^\| `(.*?)` \| (.*) \|$", table, re.M)
    return groups


def test_tables_of_flags_equal_the_help(runner: Path) -> None:
    help_text = call(runner, help=True).stdout.decode()
    expected = flags_of_help(help_text)
    assert sum(map(len, expected.values())) > 35
    assert flags_of_page(read("docs/runner.md")) == expected


def test_table_of_voice_flags_equals_the_help(runner: Path) -> None:
    help_text = call(runner.with_name("qwen3_tts_voice"), words=("create",), help=True).stdout.decode()
    rows = dict(flags_of_help(help_text)["Options"])
    (table,) = re.findall(
        r"^\| `qwen3_tts_voice create` \| \|\n\|---\|---\|\n((?:\|.*\n)+)", read("docs/voices.md"), re.M
    )
    assert len(rows) > 10
    assert dict(re.findall(r"^\| `(.*?)` \| (.*) \|$", table, re.M)) == rows


def test_flags_of_the_readme_exist(runner: Path) -> None:
    rows = flags_of_help(call(runner, help=True).stdout.decode())
    known = {name for group in rows.values() for row in group for name in row[0].split()[0].split(",")}
    (table,) = re.findall(r"^\| flag \| \|\n\|---\|---\|\n((?:\|.*\n)+)", read("README.md"), re.M)
    named = set(re.findall(r"`(--\w+)", table))
    assert len(named) > 12
    assert named <= known


def keys_of_table(page: str, heading: str) -> set[str]:
    """What stands in backquotes in the first column of the table below a heading."""
    section = read(page).split(f"\n## {heading}\n")[1].split("\n## ")[0]
    first_cells = re.findall(r"^\| (`.*?) \|", section, re.M)
    return set(re.findall(r"`(\w+)`", " ".join(first_cells)))


def test_documented_statistics_are_those_of_a_run(
    runner: Path, tiny_pte: Callable[[str], Path], tmp_path: Path
) -> None:
    run = speak(runner, tiny_pte("tiny-customvoice"), tmp_path, text="Hello.", speaker="ryan", max_frames=2)
    assert keys_of_table("docs/runner.md", "Statistics") == run.stats.keys()


def test_documented_keys_of_prompts_are_taken(runner: Path, tiny_pte: Callable[[str], Path], tmp_path: Path) -> None:
    lines = tmp_path / "lines.txt"
    lines.write_text(json.dumps({"text": "Hello.", "none_such": 1}))
    done = call(runner, model_path=tiny_pte("tiny-customvoice"), prompts_path=lines, output_dir=tmp_path)
    (known,) = re.findall(r"there is no key 'none_such'; use (.*)", done.stderr.decode())
    assert keys_of_table("docs/runner.md", "Many texts in one run") == set(known.split(", "))


def code_of(page: Path) -> str:
    """What stands in code blocks and in backquotes, each on a line."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    return "\n".join([*blocks, *(span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose))])


def test_documented_targets_of_make_exist() -> None:
    named = {target for page in PAGES for target in re.findall(r"^make ([a-z0-9-]+)", code_of(page), re.M)}
    assert {"demo", "test", "test-arm64"} < named
    assert named <= set(re.findall(r"^([a-z0-9-]+):", read("Makefile"), re.M))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_documented_files_exist(page: Path) -> None:
    folders = "benchmarks|bindings|cmake|demo_voice|docs|examples|manifests|qwen3_tts|runner|scripts|tests"
    named = set(re.findall(rf"(?<![\w/.])(?:{folders})/[\w/.-]*(?![\w<*{{])", code_of(page)))
    roots = (REPOSITORY, REPOSITORY / "runner" / "include")
    assert [name for name in sorted(named) if not any((root / name).exists() for root in roots)] == []


def anchors(page: Path) -> set[str]:
    """Those that GitHub makes of the headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    found: set[str] = set()
    for heading in headings:
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(next(name for name in _numbered(anchor) if name not in found))
    return found


def _numbered(anchor: str) -> Iterator[str]:
    """The anchor, and those of further headings of the same words."""
    yield anchor
    for number in range(1, 1000):
        yield f"{anchor}-{number}"


def broken_links(page: Path) -> list[str]:
    """Links to other places of the repository that lead nowhere."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:src|srcset|href)=\"([^\"]+)\"", text)
    broken = []
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        is_there = target.exists() and (not anchor or anchor in anchors(target))
        broken += [] if is_there else [link]
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    page, other = tmp_path / "a.md", tmp_path / "b.md"
    other.write_text("# `One` heading: two\n```\n# none\n```\n## Again\n## Again\n")
    good = "[1](b.md) [2](b.md#one-heading-two) [3](b.md#again-1) [4](https://example.org/x) [5](#here)"
    bad = ["c.md", "b.md#none", "#there", "b.md#again-2"]
    page.write_text(f"# Here\n{good} {' '.join(f'[x]({link})' for link in bad)}\n```\n[x](in/code.md)\n```\n")
    assert broken_links(page) == bad
