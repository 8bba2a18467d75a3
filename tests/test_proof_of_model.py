"""benchmarks/prove.py on a tiny model: what it finds, what it repeats, and a layer whose scales are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import models
from edited_model import with_new_digests, without_digests
from proof.layers import Compared, bytes_of, compare, expected_tensors
from qwen3_tts.export.manifest import ProgramFile

pytestmark = pytest.mark.slow

PROVE = models.REPOSITORY / "benchmarks" / "prove.py"
LAYER = "talker.layers.1.attention.qkv_proj.scales"


def with_wrong_scales(model: Path, checkpoint: Path, layer: str, edited: Path) -> None:
    """A copy whose layer has scales that are 5 % too large, as if its recipe had made them so, with right digests."""
    scales = expected_tensors(checkpoint, "small")[layer]
    content, wanted = without_digests(model.read_bytes()), bytes_of(scales)
    assert content.count(wanted) == 1
    wrong = bytes_of((scales.float() * 1.05).to(torch.bfloat16))
    edited.write_bytes(with_new_digests(content.replace(wanted, wrong)))


def differences(compared: Compared) -> list[str]:
    return [difference.tensor for difference in compared.differences]


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("edited") / "small.pte"
    model, checkpoint = models.exported("tiny-customvoice-small"), models.checkpoint("tiny-customvoice")
    with_wrong_scales(model, checkpoint, LAYER, file)
    return file


def test_weights_of_an_export_are_found_byte_for_byte(
    tiny_pte: Callable[[str], Path], tiny_checkpoint: Callable[[str], Path]
) -> None:
    files = {"exact": "tiny-customvoice"} | {name: f"tiny-customvoice-{name}" for name in ("small", "xnnpack-8da4w")}
    for recipe, name in files.items():
        expected = expected_tensors(tiny_checkpoint("tiny-customvoice"), recipe)
        found = compare(expected, ProgramFile(tiny_pte(name)))
        assert (found.equal, found.differences, found.not_found) == (len(expected), [], [])


def test_another_recipes_weights_are_not_those(
    tiny_pte: Callable[[str], Path], tiny_checkpoint: Callable[[str], Path]
) -> None:
    """`balanced` differs from `small` in its code predictor and codec alone."""
    expected = expected_tensors(tiny_checkpoint("tiny-customvoice"), "small")
    found = compare(expected, ProgramFile(tiny_pte("tiny-customvoice-balanced")))
    others = {name.split(".")[0] for name in (*differences(found), *found.not_found)}
    assert others == {"code_predictor", "codec_decoder"}


def test_a_layer_with_wrong_scales_is_named(edited: Path, tiny_checkpoint: Callable[[str], Path]) -> None:
    expected = expected_tensors(tiny_checkpoint("tiny-customvoice"), "small")
    found = compare(expected, ProgramFile(edited))
    assert differences(found) == [LAYER] and not found.not_found
    (difference,) = found.differences
    assert difference.factor == pytest.approx(1.05, abs=0.002)
    assert difference.error == pytest.approx(0.05, abs=0.002)
    assert difference.changed > 0.99


def test_a_layer_of_a_delegate_with_wrong_weights_is_named(
    tiny_pte: Callable[[str], Path], tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """XNNPACK's weights have neither type nor shape in the file."""
    expected = expected_tensors(tiny_checkpoint("tiny-customvoice"), "exact")
    name = "talker.layers.0.mlp.down_proj.weight"
    content, wanted = without_digests(tiny_pte("tiny-customvoice").read_bytes()), bytes_of(expected[name])
    assert content.count(wanted) == 1
    file = tmp_path / "exact.pte"
    file.write_bytes(with_new_digests(content.replace(wanted, bytes_of(expected[name] * 0.95))))
    found = compare(expected, ProgramFile(file))
    assert differences(found) == [name]
    assert found.differences[0].factor == pytest.approx(0.95, abs=1e-4)


def prove(folder: Path, checkpoint: str, runner: Path, *flags: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(PROVE), "--checkpoint", checkpoint, "--output", str(folder), "--runner", str(runner)]
    command += ["--compared", "2", "--compared-frames", "4", "--max-sentences", "3", "--speed-frames", "4"]
    command += ["--speed-repeat", "1", "--batches", "1", "--threads", "1", *map(str, flags)]
    return subprocess.run(command, env=models.ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.proof
def test_from_a_snapshot_to_a_report_that_names_the_layer(
    edited: Path, tiny_pte: Callable[[str], Path], tiny_snapshot: Callable[[str], Path], runner: Path, tmp_path: Path
) -> None:
    snapshot = str(tiny_snapshot("tiny-customvoice"))
    given = ["--recipes", "exact", "--model", f"exact={tiny_pte('tiny-customvoice')}", "--model", f"small={edited}"]
    absent = ["--whisper", tmp_path / "none"]
    done = prove(tmp_path / "proof", snapshot, runner, *given, *absent)
    report = json.loads((tmp_path / "proof" / "report.json").read_text(encoding="utf-8"))
    states = {name: step["state"] for name, step in report["steps"].items()}
    judged = {name for name in states if name.startswith("heard-")}
    assert {states[name] for name in states.keys() - judged} == {"done"}, done.stderr
    assert all(states[name] in ("not there", "done") for name in judged)  # done where noise was found to be noise

    text = (tmp_path / "proof" / "report.md").read_text(encoding="utf-8")
    assert f"- **`small` has wrong weights:** `{LAYER}`" in text
    assert "is 1.050 times what the checkpoint gives" in text
    figures = report["figures"]
    assert figures["exact"]["layers"]["differ"] == 0 and figures["small"]["layers"]["differ"] == 1
    assert figures["exact"]["agreement"]["code_agreement"] == 1
    assert 0 <= figures["small"]["codes"]["equal_to_exact"] < 1
    assert figures["small"]["speed"]["file_mb"] < figures["exact"]["speed"]["file_mb"]
    assert len(report["about"]["snapshot_sha256"]["model.safetensors"]) == 64
    assert np.isfinite(figures["small"]["speed"]["rtf"])

    again = prove(tmp_path / "proof", snapshot, runner, *given, *absent)
    assert again.stderr.count(": is done, took ") == sum(state == "done" for state in states.values())
    assert again.returncode == done.returncode == (0 if set(states.values()) == {"done"} else 2)


def test_what_is_wrong_with_the_command_is_said_at_once(tmp_path: Path, runner: Path) -> None:
    wrong = prove(tmp_path / "proof", "random:0.6b-base", runner, "--model", f"small={tmp_path / 'none.pte'}")
    assert wrong.returncode == 1 and "none.pte: there is no such file" in wrong.stderr
    assert not (tmp_path / "proof").exists()
