"""Files that are no speaking model: what the runner says of each, as an exit code and one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from executorch.exir import to_edge_transform_and_lower

from runner_program import call


def write_program(path: Path, methods: tuple[str, ...], constants: dict[str, str] | None = None) -> Path:
    """A real ExecuTorch program whose methods double a number."""

    class Double(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + x

    programs = {name: torch.export.export(Double(), (torch.ones(1),)) for name in methods}
    edge = to_edge_transform_and_lower(programs, constant_methods=constants)
    path.write_bytes(edge.to_executorch().buffer)
    return path


@pytest.mark.parametrize(
    ("methods", "constants", "message"),
    [
        (("encode_speaker",), {"contract": "{}"}, "is a voice encoder (it has a method 'encode_speaker')"),
        (("encode_audio",), None, "is a voice encoder (it has a method 'encode_audio')"),
        (
            ("frame",),
            {"contract": "{}", "cuda": "{}"},
            "key 'contract_version' is missing",
        ),
        (("forward",), None, "not a Qwen3-TTS model (it has no 'contract'); give the model.pte that export_unified.py"),
        (("forward",), {"contract": "[]"}, "it is not a valid JSON object"),
        (("forward",), {"contract": "{}"}, "key 'contract_version' is missing"),
        (("forward",), {"contract": '{"contract_version": 0}'}, "has contract_version 0, this runner reads version 3"),
        (("forward",), {"contract": '{"contract_version": 4}'}, "reads version 3; take a newer runner"),
        (("contract",), None, "there is no readable constant 'contract'"),
    ],
)
def test_other_programs_are_named(
    runner: Path, tmp_path: Path, methods: tuple[str, ...], constants: dict[str, str] | None, message: str
) -> None:
    path = write_program(tmp_path / "other.pte", methods, constants)
    done = call(runner, model_path=path, text="Hello.", output_wav=tmp_path / "out.wav")
    assert done.returncode == 1
    said = done.stderr.decode()
    assert str(path) in said
    assert message in said
    assert len(said.splitlines()) == 1
    assert sorted(file.name for file in tmp_path.iterdir()) == ["other.pte"]
