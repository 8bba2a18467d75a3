"""Requests that are wrong, or meant to harm, are answered as docs/server-errors.md says, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import bad_requests
from bad_requests import CASES, KEY, Answer, Case, http, running
from server_process import ServerProcess

answers: dict[str, Answer] = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("voices")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    with running(folder) as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_the_answer(case: Case, server: ServerProcess) -> None:
    answer = answers[case.what] = bad_requests.send(case, server)
    assert answer.status == case.status, answer
    for name in case.names:
        assert name in answer.message


def test_the_page_says_so() -> None:
    if len(answers) < len(CASES):
        pytest.skip("only with all cases")
    expected = bad_requests.page([(case, answers[case.what]) for case in CASES])
    assert bad_requests.PAGE.read_text(encoding="utf-8") == expected, "call `make errors`"


def test_nothing_has_happened(server: ServerProcess, folder: Path) -> None:
    assert b" 200 OK" in server.exchange(http("GET", "/v1/models"))
    assert list(folder.iterdir()) == []
    assert [(line["outcome"], line["audio_s"]) for line in server.events("speech")] == [("refused", 0)]  # no sound
    assert server.events("failure") == []
    assert not any("exception" in line for line in server.log)
    assert all(line.startswith("qwen3-tts-server: opening") for line in server.said)
    assert KEY not in str(server.log)
