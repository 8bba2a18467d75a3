"""The server under load says what it says when it is asked alone, and keeps nothing: a short run of server_load.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

import server_load

pytestmark = pytest.mark.service

Pte = Callable[[str], Path]

GROWTH = 16e6  # bytes: more than an allocator keeps, and less than a leak of a few hundred utterances


def test_load(tiny_pte: Pte, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_pte("demo-balanced")
    arguments = server_load.parse(["--model", str(model), "--seconds", "30"])
    with server_load.serving(model, "--max-queue", "64") as server:
        loads = asyncio.run(server_load.measure(server, arguments))
    with capsys.disabled():
        print(f"\n{capsys.readouterr().out}")
    for load in loads:
        assert load.counts["other bytes"] == load.counts["lost"] == 0
        assert load.answers
        assert load.files[-1] <= load.files[0]
        assert max(load.memory) - min(load.memory[len(load.memory) // 3 :]) < GROWTH
    assert all(loads[0].counts[kind] > 0 for kind in ("left", "slow", "wrong"))
