"""What a node does in examples/ray_bulk.py: the samples of a row depend on the row alone. Without Ray."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from python_runtime import TEXT
from qwen3_tts_runtime import Engine, Voice
from qwen3_tts_runtime.audio import to_pcm16
from ray_bulk import RETRY_SEED, Job, Speaker, pack, read_row, read_shards, seed_of

Pte = Callable[[str], Path]

ROWS: list[dict[str, Any]] = [{"id": f"row {i}", "text": TEXT, "speaker": "ryan"} for i in range(7)]


@pytest.fixture
def job(tiny_pte: Pte, tmp_path: Path) -> Job:
    return Job(str(tiny_pte("tiny-customvoice")), str(tmp_path), "flac", 4, "digest")


def records_of(job: Job, lines: list[str]) -> list[dict[str, Any]]:
    rows = [read_row(line, number) for number, line in enumerate(lines, 1)]
    records, content = pack(rows, Speaker(job)._speak_rows(rows), job.format)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.getnames() == [record["file"] for record in records if record["file"]]
    return records


def test_a_row_says_the_same_in_any_company(job: Job, tiny_pte: Pte) -> None:
    lines = [json.dumps(row) for row in ROWS]
    records = records_of(job, lines)
    assert [record["id"] for record in records] == [row["id"] for row in ROWS]
    assert len({record["samples_sha256"] for record in records}) == len(ROWS)
    (alone,) = records_of(job, lines[3:4])
    assert alone["samples_sha256"] == records[3]["samples_sha256"]
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        speech = engine.speak(TEXT, speaker="ryan", seed=int(alone["seed"]))
    assert hashlib.sha256(to_pcm16(speech.samples).tobytes()).hexdigest() == alone["samples_sha256"]
    assert alone["seconds"] == speech.duration


def test_rows_that_are_wrong_are_rows(job: Job) -> None:
    wrong = ['{"id": "a", "text": ""}', "no JSON", '{"text": "x"}', '{"id": "b", "text": "x", "voice": "none"}', "[]"]
    records = records_of(job, [*wrong, json.dumps(ROWS[0])])
    assert [record["error"] is None for record in records] == [False] * 5 + [True]
    assert [record["id"] for record in records] == ["a", "line 2", "line 3", "b", "line 5", "row 0"]
    assert "the text is empty" in records[0]["error"]
    assert "'none'" in records[3]["error"]


def test_a_runaway_gets_another_seed_once(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    speak_many = Engine.speak_many

    def noted(engine: Engine, requests: Any, **options: Any) -> Any:
        asked.extend(request["seed"] for request in requests)
        return speak_many(engine, requests, **options)

    monkeypatch.setattr(Engine, "speak_many", noted)
    row = {**ROWS[0], "max_frames": 2}  # cut off by a limit, whatever the seed
    (record,) = records_of(job, [json.dumps(row)])
    seed = seed_of("row 0")
    assert asked == [seed, (seed + RETRY_SEED) % 2**32]
    assert (record["seed"], record["error"]) == (str(seed), None)
    assert record["finish_reason"] != "eos"


def test_a_voice_of_a_row(tiny_pte: Pte, tmp_path: Path) -> None:
    path = tmp_path / "ann.voice"
    Voice.from_x_vector([0.5] * 64).save(path)
    job = Job(str(tiny_pte("tiny-base")), str(tmp_path), "opus", 4, "digest")
    (record,) = records_of(job, [json.dumps({"id": "a", "text": TEXT, "voice": str(path)})])
    assert record["error"] is None and record["file"] == "000000.opus"


def test_shards_are_the_same_whoever_cuts_them(job: Job, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n\n".join(json.dumps(row) for row in ROWS))
    shards = list(read_shards(rows, 3))
    assert [(shard.index, len(shard.lines)) for shard in shards] == [(0, 3), (1, 3), (2, 1)]
    assert [shard.digest(job) for shard in read_shards(rows, 3)] == [shard.digest(job) for shard in shards]
    assert len({shard.digest(job) for shard in shards}) == 3
