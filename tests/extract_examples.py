"""Makes the usage examples of the documentation compilable.

    extract_examples.py README.md HEADER... --c-page PAGE.md --c-headers HEADER... --output-dir FOLDER

writes readme_example.cpp, the block in ```cpp, which is a whole program; and usage_examples.h, what stands between
`/// \\code` and `/// \\endcode` in each public header, in the namespace examples::<header>. In C it writes
page_examples.h, all blocks in ```c of the page, and <header>_example.h for each header. Compilers report errors at the
lines of the documentation.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path


def blocks(path: Path, begin: str, end: str) -> list[tuple[int, list[str]]]:
    """Of each line `begin`: the number of the first line after it, and the lines from there to the next line `end`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, start=1) if line == begin]
    for start in starts:
        if end not in lines[start:]:
            raise ValueError(f"{path}:{start}: the example has no end, {end!r}")
    return [(start + 1, lines[start : lines.index(end, start)]) for start in starts]


def block(path: Path, begin: str, end: str) -> tuple[int, list[str]]:
    """The only one."""
    found = blocks(path, begin, end)
    if len(found) != 1:
        raise ValueError(f"{path} holds {len(found)} lines {begin!r}; one example, opened by it, is expected")
    return found[0]


def located(path: Path, number: int, lines: Sequence[str]) -> str:
    """`lines` as source text whose line numbers are those in `path`."""
    return "\n".join([f'#line {number} "{path.resolve().as_posix()}"', *lines, ""])


def header_example(header: Path) -> str:
    """One header's example."""
    number, lines = block(header, r"/// \code", r"/// \endcode")
    return located(header, number, [re.sub("^/// ?", "", line) for line in lines])


def header_examples(headers: Sequence[Path]) -> str:
    """All headers' examples as one header, which includes the headers first."""
    parts = ["#pragma once", "", *(f"#include <qwen3_tts/{header.name}>" for header in headers), ""]
    for header in headers:
        parts += [f"namespace examples::{header.stem} {{", header_example(header), "}", ""]
    return "\n".join(parts)


def readme_program(readme: Path) -> str:
    """The README's example."""
    number, lines = block(readme, "```cpp", "```")
    return located(readme, number, lines)


def page_examples(page: Path) -> str:
    """All blocks in C of a page."""
    return "".join(located(page, number, lines) for number, lines in blocks(page, "```c", "```"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readme", type=Path)
    parser.add_argument("headers", type=Path, nargs="+")
    parser.add_argument("--c-page", type=Path, required=True)
    parser.add_argument("--c-headers", type=Path, nargs="+", required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.output_dir
    (folder / "readme_example.cpp").write_text(readme_program(arguments.readme), encoding="utf-8")
    (folder / "usage_examples.h").write_text(header_examples(arguments.headers), encoding="utf-8")
    (folder / "page_examples.h").write_text(page_examples(arguments.c_page), encoding="utf-8")
    for header in arguments.c_headers:
        (folder / f"{header.stem}_example.h").write_text(header_example(header), encoding="utf-8")


if __name__ == "__main__":
    main()
