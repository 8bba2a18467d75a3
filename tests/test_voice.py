"""Voice files: Python writes, both languages read."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

from qwen3_tts.voice import Voice

MODEL = {"model_type": "base", "hidden_size": 5, "num_code_groups": 4, "code_vocab_size": 8, "text_vocab_size": 100}

X_VECTOR_ONLY = Voice("Ann", "english", "base", np.array([0.1, -2.5, 1e-8, 3.0, 0.0], dtype=np.float32))
CODES: NDArray[Any] = np.arange(12, dtype=np.int64).reshape(3, 4) % 8
IN_CONTEXT = replace(
    X_VECTOR_ONLY,
    name='Änne „quoted"',
    codes=CODES,
    text_ids=np.array([0, 42, 99], dtype=np.int64),
)
METADATA = {
    "format": "qwen3_tts_voice",
    "format_version": "1",
    "name": "Ann",
    "language": "auto",
    "hidden_size": "2",
    "model_type": "base",
}


def read_in_cpp(build_dir: Path, path: Path) -> subprocess.CompletedProcess[str]:
    """What the runner's reader makes of a voice file."""
    program = build_dir / "tests" / "voice_stdin"
    assert program.exists(), f"{program} is missing: run `make build`"
    return subprocess.run([program, path], input=json.dumps(MODEL), capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("voice", [X_VECTOR_ONLY, IN_CONTEXT], ids=["x_vector", "in_context"])
def test_round_trip(voice: Voice, tmp_path: Path) -> None:
    path = tmp_path / "ann.voice"
    voice.save(path)
    loaded = Voice.load(path)
    assert (loaded.name, loaded.language, loaded.model_type) == (voice.name, voice.language, voice.model_type)
    np.testing.assert_array_equal(loaded.x_vector, voice.x_vector)
    for found, expected in ((loaded.codes, voice.codes), (loaded.text_ids, voice.text_ids)):
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert found.dtype == np.int32
            np.testing.assert_array_equal(found, expected)
    assert [file.name for file in tmp_path.iterdir()] == ["ann.voice"]


@pytest.mark.parametrize("voice", [X_VECTOR_ONLY, IN_CONTEXT], ids=["x_vector", "in_context"])
def test_runner_reads_what_python_writes(voice: Voice, tmp_path: Path, build_dir: Path) -> None:
    voice.save(tmp_path / "ann.voice")
    result = read_in_cpp(build_dir, tmp_path / "ann.voice")
    assert result.returncode == 0, result.stdout + result.stderr
    answer = json.loads(result.stdout)
    assert (answer["name"], answer["language"]) == (voice.name, voice.language)
    np.testing.assert_array_equal(np.array(answer["x_vector"], dtype=np.float32), voice.x_vector)
    assert answer["codes"] == ([] if voice.codes is None else voice.codes.flatten().tolist())
    assert answer["text_ids"] == ([] if voice.text_ids is None else voice.text_ids.tolist())


def test_runner_refuses_a_voice_for_another_model(tmp_path: Path, build_dir: Path) -> None:
    replace(X_VECTOR_ONLY, x_vector=np.ones(6, dtype=np.float32)).save(tmp_path / "ann.voice")
    result = read_in_cpp(build_dir, tmp_path / "ann.voice")
    assert result.returncode == 1
    assert "hidden_size is '6'" in result.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x_vector": np.ones((1, 5))}, "x_vector"),
        ({"x_vector": np.array([1.0, np.nan])}, "x_vector"),
        ({"x_vector": np.array([])}, "x_vector"),
        ({"x_vector": np.array([1e30, 0.0])}, "length 1e\\+30"),
        ({"text_ids": None}, "together"),
        ({"codes": None}, "together"),
        ({"codes": np.arange(12)}, "codes"),
        ({"codes": np.ones((3, 4))}, "codes"),
        ({"codes": np.full((3, 4), -1)}, "codes"),
        ({"text_ids": np.array([2**31])}, "text_ids"),
        ({"text_ids": np.array([], dtype=np.int32)}, "text_ids"),
    ],
)
def test_impossible_voices_raise(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(IN_CONTEXT, **change)


@pytest.mark.parametrize(
    ("metadata", "tensors", "message"),
    [
        ({"format": "pt"}, {}, "not a voice file"),
        ({"format_version": "3"}, {}, "version"),
        ({"format_version": "2"}, {}, "digest"),
        ({"digest": "0123456789abcdef"}, {}, "version"),
        ({"hidden_size": "3"}, {}, "hidden_size is 3"),
        ({"name": None}, {}, "name is missing"),
        ({}, {"x_vector": np.ones(2, dtype=np.float64)}, "float64"),
        ({}, {"other": np.ones(2, dtype=np.float32)}, "other"),
        ({}, {"codes": np.ones((1, 4), dtype=np.int32)}, "text_ids"),
    ],
)
def test_foreign_files_raise(
    metadata: dict[str, str | None], tensors: dict[str, NDArray[Any]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "ann.voice"
    changed = {key: value for key, value in (METADATA | metadata).items() if value is not None}
    save_file({"x_vector": np.ones(2, dtype=np.float32)} | tensors, path, changed)
    with pytest.raises(ValueError, match=message) as error:
        Voice.load(path)
    assert str(path) in str(error.value)


def test_every_wrong_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "ann.voice"
    IN_CONTEXT.save(path)
    whole = path.read_bytes()
    refused = 0
    for bit in range(8 * len(whole)):
        path.write_bytes(whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :])
        try:
            voice = Voice.load(path)
        except ValueError:
            refused += 1
        else:  # in what says nothing, such as a blank
            assert repr(voice) == repr(IN_CONTEXT)
    assert refused > 0.9 * 8 * len(whole)


def test_files_of_version_1_have_no_digest_and_are_read(tmp_path: Path, build_dir: Path) -> None:
    x_vector = X_VECTOR_ONLY.x_vector
    save_file({"x_vector": x_vector}, tmp_path / "old.voice", METADATA | {"hidden_size": "5"})
    np.testing.assert_array_equal(Voice.load(tmp_path / "old.voice").x_vector, x_vector)
    assert read_in_cpp(build_dir, tmp_path / "old.voice").returncode == 0


def test_truncated_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "ann.voice"
    IN_CONTEXT.save(path)
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"ann\.voice"):
            Voice.load(path)


def test_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Voice.load(tmp_path / "nobody.voice")


def test_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        X_VECTOR_ONLY.save(tmp_path / "taken")
    assert [file.name for file in tmp_path.iterdir()] == ["taken"]
