"""What export_unified.py writes, read back from the file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import models
from model_cases import EVERY_EXPORT
from qwen3_tts.contract import MAX_BATCH, MAX_ROWS, MAX_SLOTS
from qwen3_tts.export import cli, manifest
from qwen3_tts.export import program as program_module
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.flags import manifest_path, parse_args
from qwen3_tts.export.model import MAX_DECODE_FRAMES

Pte = Callable[[str], Path]
METHODS = {"encode_text", "codec_embed", "talker", "cp_generate", "code_predictor", "cp_head", "decode_audio"}


@EVERY_EXPORT
def test_manifest_says_what_the_file_holds(tiny_pte: Pte, name: str) -> None:
    path = tiny_pte(name)
    written = json.loads(manifest_path(path).read_text())
    assert written == manifest.build_manifest(path, written["flags"])
    assert set(written["methods"]) == METHODS


@EVERY_EXPORT
def test_every_weight_is_stored_once(tiny_pte: Pte, name: str) -> None:
    hashes = manifest.weight_hashes(manifest.ProgramFile(tiny_pte(name)))
    assert len(hashes) > 50
    assert len(set(hashes)) == len(hashes)


def test_signatures(tiny_pte: Pte) -> None:
    methods = json.loads(manifest_path(tiny_pte("tiny-base")).read_text())["methods"]
    contract = manifest.ProgramFile(tiny_pte("tiny-base")).contract()
    hidden, groups = contract["hidden_size"], contract["num_code_groups"]
    rows, some, each = f"long[<={MAX_ROWS}]", f"<={MAX_BATCH}", f"long[<={MAX_BATCH}]"
    assert methods["talker"]["inputs"][:4] == [f"float[<={MAX_ROWS}, {hidden}]", rows, rows, each]
    assert methods["talker"]["inputs"][4].startswith(f"float[<={MAX_SLOTS}, ")
    assert methods["talker"]["outputs"] == [
        f"float[{some}, {contract['talker_vocab_size']}]",
        f"float[{some}, {hidden}]",
    ]
    assert methods["cp_generate"]["outputs"] == [f"long[{some}, {groups}]", f"float[{some}, {hidden}]"]
    samples = MAX_DECODE_FRAMES * contract["samples_per_frame"]
    assert methods["decode_audio"]["outputs"] == [f"float[<={samples}]"]


@pytest.mark.parametrize("name", models.VOICE_ENCODERS)
def test_manifest_of_a_voice_encoder(tiny_pte: Pte, name: str) -> None:
    path = tiny_pte(name)
    written = json.loads(manifest_path(path).read_text())
    assert written == manifest.build_manifest(path, written["flags"])
    contract, methods = written["contract"], written["methods"]
    assert contract["kind"] == "voice_encoder"
    assert contract["recipe"]["voice_encoder"] == (written["flags"]["qlinear_voice_encoder"] or "none")
    hidden, groups, row_size = contract["hidden_size"], contract["num_code_groups"], contract["row_size"]
    blocks = contract["max_samples"] // contract["samples_per_block"] + 1
    frames = contract["max_samples"] // contract["samples_per_frame"]
    piece = contract["max_encode_frames"]
    assert {name: (method["inputs"], method["outputs"]) for name, method in methods.items()} == {
        "encode_speaker": ([f"float[<={blocks}, {contract['samples_per_block']}]", "long[1]"], [f"float[{hidden}]"]),
        "encode_audio": (
            [f"float[<={piece}, {contract['samples_per_frame']}]", "long[1]"],
            [f"float[<={2 * piece}, {row_size}]"],
        ),
        "encode_codes": ([f"float[<={2 * frames}, {row_size}]", "long[1]"], [f"long[<={frames}, {groups}]"]),
    }


def test_voice_encoder_needs_no_operator_of_this_project(tiny_pte: Pte) -> None:
    """Any ExecuTorch runtime runs it. Its convolutions are one delegate: their signals are too big to pass around."""
    methods = json.loads(manifest_path(tiny_pte("tiny-base-voice-encoder")).read_text())["methods"]
    operators = [operator for method in methods.values() for operator in method["operators"]]
    assert not [operator for operator in operators if operator.startswith("qwen3_tts::")]
    assert methods["encode_audio"]["delegates"] == 1
    assert methods["encode_audio"]["planned_bytes"] < 2e6


def test_one_delegate_between_two_operators_of_a_float_layer(tiny_pte: Pte) -> None:
    """Norms, projections and residuals between attention and swiglu lower as a whole."""
    talker = json.loads(manifest_path(tiny_pte("tiny-customvoice")).read_text())["methods"]["talker"]
    layers = talker["operators"]["qwen3_tts::attention"]
    assert talker["delegates"] == 2 * layers + 2  # before, between and after them, and the last row's norm and head


def test_a_quantized_layer_is_six_operators(tiny_pte: Pte) -> None:
    """Four linear layers with their norms and residuals, attention and swiglu; the final norm is a delegate."""
    pte = tiny_pte("tiny-customvoice-balanced")
    talker = json.loads(manifest_path(pte).read_text())["methods"]["talker"]
    layers = talker["operators"]["qwen3_tts::attention"]
    assert talker["operators"]["qwen3_tts::linear"] == 4 * layers + 1
    assert talker["operators"]["qwen3_tts::swiglu"] == layers
    assert talker["delegates"] == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--backend", "portable", "--qlinear", "8da4w"], "runs fp32 only"),
        (["--backend", "portable", "--qembedding", "4w"], "runs fp32 only"),
        (["--backend", "portable", "--qconv-codec", "int8"], "runs fp32 only"),
        (["--qlinear-group-size", "64"], "no effect without quantized linear layers"),
        (["--qlinear", "8da4w", "--qlinear-group-size", "48"], "invalid choice: 48"),
        (["--text-scripts", "latin,klingon"], "no script is called 'klingon'; there are arabic, armenian"),
        (["--text-scripts", "latin", "--backend", "cuda"], "leave it out for --backend cuda"),
        (["--calibrate", "README.md"], "no effect without quantized linear layers"),
        (["--recipe", "small", "--calibrate", "no-such.txt"], "No such file or directory: 'no-such.txt'"),
        (["--calibrate", "README.md", "--backend", "cuda"], "leave it out for --backend cuda"),
        (["--max-seq-len", "10"], "no room"),
        (["--qlinear", "4w"], "--qlinear 4w is for --backend cuda; --backend xnnpack has 8da4w"),
        (["--dtype", "bf16"], "--dtype has no effect without --backend cuda"),
        (["--gpu-arch", "sm_90"], "--gpu-arch has no effect without --backend cuda"),
        (["--batch", "8"], "--batch 8 is for --backend cuda; every program for CPUs speaks several utterances at once"),
        (["--backend", "cuda", "--batch", "0"], "--batch 0: a program for a GPU speaks 1 to 32 utterances at once"),
        (["--backend", "cuda", "--batch", "33"], "1 to 32 utterances"),
        (["--backend", "cuda", "--recipe", "small"], "--recipe small is for CPUs"),
        (["--backend", "cuda", "--qlinear", "8da4w"], "--backend cuda has 4w and none"),
        (["--backend", "cuda", "--qlinear", "4w", "--dtype", "fp32"], "the int4 kernels multiply in bfloat16"),
        (["--backend", "cuda", "--qlinear", "4w", "--qlinear-group-size", "64"], "has groups of 32"),
        (["--backend", "cuda", "--qconv-codec", "int8"], "keeps the codec in fp32"),
        (["--backend", "cuda", "--kv-cache", "fp16"], "is for CPUs"),
        (["--backend", "cuda", "--voice-encoder", "voice.pte"], "without --backend cuda"),
        (["--qlinear-voice-encoder", "8da8w"], "no effect without --voice-encoder"),
        (["--voice-encoder", "voice.pte", "--qlinear-voice-encoder", "8da4w"], "invalid choice: '8da4w'"),
        (
            ["--backend", "portable", "--voice-encoder", "voice.pte", "--qlinear-voice-encoder", "8da8w"],
            "runs fp32 only",
        ),
        (["--voice-encoder", "no-such-folder/voice.pte"], "does not exist"),
    ],
)
def test_combinations_that_cannot_work_are_refused(
    tiny_checkpoint: Pte, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    output = tmp_path / "model.pte"
    with pytest.raises(SystemExit) as refusal:
        parse_args(["--checkpoint", str(tiny_checkpoint("tiny-base")), "--output", str(output), *flags])
    assert refusal.value.code == 2
    assert message in capsys.readouterr().err


def test_two_programs_need_two_names(tiny_checkpoint: Pte, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--checkpoint", str(tiny_checkpoint("tiny-base"))]
    for outputs, message in (
        ([], "nothing to write"),
        (
            ["--output", str(tmp_path / "a.pte"), "--voice-encoder", str(tmp_path / "a.pte")],
            "name one of them otherwise",
        ),
    ):
        with pytest.raises(SystemExit):
            parse_args([*flags, *outputs])
        assert message in capsys.readouterr().err


def test_checkpoint_without_voice_encoders_leaves_no_file(
    tiny_checkpoint: Pte, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--checkpoint", str(tiny_checkpoint("tiny-customvoice"))]
    command += ["--output", str(tmp_path / "model.pte"), "--voice-encoder", str(tmp_path / "voice_encoder.pte")]
    assert cli.main(command) == 1
    assert "a custom_voice checkpoint has no voice encoders; take a Base checkpoint" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_group_size_that_does_not_divide_a_layer_leaves_no_file(tiny_checkpoint: Pte, tmp_path: Path) -> None:
    command = [sys.executable, str(models.REPOSITORY / "export_unified.py"), "--qlinear", "8da4w"]
    command += ["--checkpoint", str(tiny_checkpoint("tiny-base")), "--output", str(tmp_path / "model.pte")]
    done = subprocess.run([*command, "--qlinear-group-size", "256"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "cannot be cut into groups of 256" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_killed_between_two_files_it_leaves_no_other_manifest(
    tiny_checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new model stands beside its own manifest or none."""

    class Program:
        def write_to_file(self, file: Any) -> None:
            file.write(b"new")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "model.pte"
    manifest_path(output).write_text("of the old model")
    monkeypatch.setattr(program_module, "lower", lambda *_: Program())
    monkeypatch.setattr(program_module, "build_manifest", interrupted)
    with pytest.raises(KeyboardInterrupt):
        program_module.write_program(
            [], {}, output, {"backend": "xnnpack"}, Checkpoint(tiny_checkpoint("tiny-base")), lambda *_: None
        )
    assert output.read_bytes().startswith(b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["model.pte"]


@pytest.mark.slow
def test_same_checkpoint_same_bytes(tiny_pte: Pte, tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    """In another process, at another place, with other hashes of strings."""
    again = tmp_path / "again.pte"
    export = models.EXPORTS["tiny-customvoice-small"]
    places = ("--checkpoint", str(tiny_checkpoint(export.size)), "--output", str(again))
    environment = {**models.ENVIRONMENT, "PYTHONHASHSEED": "4242"}
    command = [sys.executable, "export_unified.py", *places, *export.flags]
    subprocess.run(command, cwd=models.REPOSITORY, env=environment, check=True)
    assert again.read_bytes() == tiny_pte("tiny-customvoice-small").read_bytes()
