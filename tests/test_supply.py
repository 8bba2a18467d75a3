"""What is taken from others is named: the *.lock files fit the requirements, and THIRD_PARTY.md fits the locks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models import REPOSITORY

LOCKS = {
    "requirements-build.lock": ["requirements-build.txt"],
    "requirements.lock": ["requirements.txt"],
    "requirements-no-deps.lock": ["requirements-no-deps.txt", "requirements-vocabulary.txt"],
    "requirements-dev.lock": [
        "requirements-dev.txt",
        "requirements-cuda.txt",
        "bindings/python/requirements-wheel.txt",
        "bindings/python/requirements-server.txt",
        "bindings/python/requirements-server-tests.txt",
    ],
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(path: Path) -> set[tuple[str, str]]:
    """Names and versions of a file of requirements, or of a lock."""
    found = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {(normal(name), version) for name, version in found}


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_have_what_is_required_with_digests(lock: str) -> None:
    """When this fails: `make lock`."""
    required = set().union(*(pins(REPOSITORY / name) for name in LOCKS[lock]))
    assert required and required <= pins(REPOSITORY / lock)
    text = (REPOSITORY / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(lines) == len(re.findall(r"^[\w.-]+==", text, re.MULTILINE))
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", line) for line in lines)


def test_packages_of_several_locks_are_one_version() -> None:
    """Those that are installed side by side."""
    exact = [dict(pins(REPOSITORY / lock)) for lock in LOCKS]
    several = [pins(REPOSITORY / lock) for lock in LOCKS]
    for first, versions in zip(several, exact, strict=True):
        for other in several:
            for name, version in other:
                assert name not in versions or (name, version) in first, f"{name} {version}"


def test_third_parties_are_those_of_the_locks() -> None:
    """When this fails: `make third-party`."""
    page = (REPOSITORY / "THIRD_PARTY.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w.-]+) \| (\d[\w.]*) \| (.+) \|$", page, re.MULTILINE)
    assert {(normal(name), version) for name, version, _ in rows} == set().union(
        *(pins(REPOSITORY / lock) for lock in LOCKS)
    )
