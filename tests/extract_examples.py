"""Makes the usage examples of the documentation compilable.

    extract_examples.py README.md HEADER... --output-dir FOLDER

writes readme_example.cpp, the block in ```cpp, which is a whole program; and usage_examples.h, what stands between
`/// \\code` and `/// \\endcode` in each public header, in the namespace examples::<header>. Compilers report errors at
the lines of the documentation.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path


def block(path: Path, begin: str, end: str) -> tuple[int, list[str]]:
    """Number of the first line after the line `begin`, and the lines from there to the next line `end`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines.count(begin) != 1:
        raise ValueError(f"{path} holds {lines.count(begin)} lines {begin!r}; one example, opened by it, is expected")
    first = lines.index(begin) + 1
    if end not in lines[first:]:
        raise ValueError(f"{path}:{first}: the example has no end, {end!r}")
    return first + 1, lines[first : lines.index(end, first)]


def located(path: Path, number: int, lines: Sequence[str]) -> str:
    """`lines` as source text whose line numbers are those in `path`."""
    return "\n".join([f'#line {number} "{path.resolve().as_posix()}"', *lines, ""])


def header_examples(headers: Sequence[Path]) -> str:
    """All headers' examples as one header, which includes the headers first."""
    parts = ["#pragma once", "", *(f"#include <qwen3_tts/{header.name}>" for header in headers), ""]
    for header in headers:
        number, lines = block(header, r"/// \code", r"/// \endcode")
        code = [re.sub("^/// ?", "", line) for line in lines]
        parts += [f"namespace examples::{header.stem} {{", located(header, number, code), "}", ""]
    return "\n".join(parts)


def readme_program(readme: Path) -> str:
    """The README's example."""
    number, lines = block(readme, "```cpp", "```")
    return located(readme, number, lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readme", type=Path)
    parser.add_argument("headers", type=Path, nargs="+")
    parser.add_argument("--output-dir", type=Path, required=True)
    arguments = parser.parse_args()
    folder = arguments.output_dir
    (folder / "readme_example.cpp").write_text(readme_program(arguments.readme), encoding="utf-8")
    (folder / "usage_examples.h").write_text(header_examples(arguments.headers), encoding="utf-8")


if __name__ == "__main__":
    main()
