"""Bad input gets a clear error, an exit code that says so, and leaves nothing behind; docs/errors.md is the table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import bad_input
from bad_input import CASES, ERRORS, Answer, Case


@pytest.fixture(scope="module")
def answers(runner: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Answer]:
    return {case.what: bad_input.answer(case, tmp_path_factory.mktemp("case"), runner) for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_is_refused(case: Case, answers: dict[str, Answer]) -> None:
    answer = answers[case.what]
    assert 1 <= answer.code <= 125
    assert re.match(f"{case.program}: error: .*[^ ]$", answer.message), answer.message
    for name in case.names:
        assert name in answer.message
    assert answer.output == ""
    assert answer.files_after == answer.files_before


def test_documented_errors_are_the_real_ones(answers: dict[str, Answer]) -> None:
    assert ERRORS.read_text(encoding="utf-8") == bad_input.table(answers), (
        "the answers have changed: run `make errors` and read what it changes"
    )
