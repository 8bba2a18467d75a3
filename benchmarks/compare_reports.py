#!/usr/bin/env python3
"""Reports of prove.py side by side: of two machines, two versions, two checkpoints.

    python benchmarks/compare_reports.py here/report.json there/report.json

Prints Markdown: what each was made on, and every figure that one of them has. The last column is the last report's
figure divided by the first one's. Where hashes of weights or exports differ, it is said: such figures are of other
files.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tables import Row, markdown

Report = dict[str, Any]
SCHEMA = 1


def read_report(path: Path) -> Report:
    """Raises ValueError for another file."""
    report = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(report, dict) or report.get("schema") != SCHEMA or "figures" not in report:
        raise ValueError(f"{path}: no report.json of prove.py with schema {SCHEMA}")
    return report


def numbers(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number below, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from numbers(inner, f"{name}, {key}" if name else key)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield name, float(value)


def column_names(paths: Sequence[Path]) -> list[str]:
    """The folders' names, or the whole paths where those are the same."""
    names = [path.resolve().parent.name for path in paths]
    return names if len(set(names)) == len(names) else list(map(str, paths))


def about_rows(reports: Sequence[Report]) -> list[Row]:
    machines = [report["about"].get("machine", {}) for report in reports]
    versions = [report["about"].get("versions", {}) for report in reports]
    rows: list[Row] = [("checkpoint", *(report["about"].get("checkpoint", "–") for report in reports))]
    for key in ("processor", "cores", "memory_gb", "system", "load_average_at_start"):
        rows.append((key.replace("_", " "), *(str(machine.get(key, "–")) for machine in machines)))
    names = dict.fromkeys(name for found in versions for name in found)
    rows += [(name, *(found.get(name, "") or "–" for found in versions)) for name in names]
    return rows


def differences(reports: Sequence[Report]) -> list[str]:
    """Files that are not the same in all reports that name them."""
    hashes: list[dict[str, str]] = []
    for report in reports:
        found = dict(report["about"].get("snapshot_sha256", {}))
        for recipe, figures in report["figures"].items():
            if sha256 := figures.get("export", {}).get("sha256"):
                found[f"{recipe}.pte"] = sha256
        hashes.append(found)
    names = dict.fromkeys(name for found in hashes for name in found)
    return [name for name in names if len({found[name] for found in hashes if name in found}) > 1]


def figure_rows(reports: Sequence[Report]) -> list[Row]:
    columns = [dict(numbers(report["figures"])) for report in reports]
    rows = []
    for name in dict.fromkeys(name for column in columns for name in column):
        values = [column.get(name) for column in columns]
        first, last = values[0], values[-1]
        ratio = f"{last / first:.3f}" if first and last is not None else "–"
        rows.append((name, *("–" if value is None else f"{value:.4g}" for value in values), ratio))
    return rows


def text_of(names: Sequence[str], reports: Sequence[Report]) -> str:
    parts = [markdown(("", *names), *about_rows(reports))]
    others = differences(reports)
    parts.append(f"Other files: {', '.join(others)}." if others else "All files that both name are the same.")
    parts += [f"{name}: {line}" for name, report in zip(names, reports) for line in report["findings"]]
    parts.append(markdown(("figure", *names, "last / first"), *figure_rows(reports)))
    return "\n\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, nargs="+", help="report.json, two or more")
    args = parser.parse_args()
    if len(args.reports) < 2:
        parser.error("one report has nothing to stand beside: name two or more")
    try:
        reports = [read_report(path) for path in args.reports]
    except (OSError, ValueError) as error:
        print(f"{Path(__file__).name}: error: {error}", file=sys.stderr)
        return 1
    print(text_of(column_names(args.reports), reports))
    return 0


if __name__ == "__main__":
    sys.exit(main())
