"""--calibrate: linear layers rounded by what they get while the model speaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import quality
from qwen3_tts.digest import sha256_of
from qwen3_tts.export import calibration, flags, program
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.methods import Method
from qwen3_tts.export.model import Model
from qwen3_tts.export.quantize.linears import QuantizedLinear
from qwen3_tts.export.stages.linear import Linear
from qwen3_tts.recipe import FLOAT, RECIPES
from qwen3_tts.text_list import read_texts

Folders = Callable[[str], Path]

TEXTS = ["The train to London leaves at 6:45.", "It is raining.", "See you tomorrow morning."]
HELD_OUT = ["Please open the window.", "Turn left at the station."]


@pytest.fixture(autouse=True)
def short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "FRAMES", 40)  # random weights never end


def silent(_what: str, _step: str) -> None:
    pass


def test_every_linear_layer_is_heard(tiny_checkpoint: Folders) -> None:
    checkpoint = Checkpoint(tiny_checkpoint("tiny-mtp"))  # whose code predictor has a projection
    moments = calibration.collect(checkpoint, TEXTS[:2], silent)
    model = Model(checkpoint, FLOAT)
    for stage in calibration.STAGES:
        layers = {name for name, layer in getattr(model, stage).named_modules() if isinstance(layer, Linear)}
        assert moments[stage].keys() == layers
        assert all(heard.num_rows > 0 for heard in moments[stage].values())
    talker = moments["talker"]
    assert talker["head"].num_rows < talker["layers.0.mlp.down_proj"].num_rows  # the head reads a prompt's last row


def test_an_export_rounds_by_the_texts(
    tiny_checkpoint: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text(f"\ufeff{TEXTS[0]}\n\n{TEXTS[1]}\n", encoding="utf-8")
    assert read_texts(texts) == TEXTS[:2]
    written: dict[str, Any] = {}

    def write_program(methods: list[Method], *rest: Any) -> dict[str, Any]:
        written.update(talker=next(m.module for m in methods if m.name == "talker"), flags=rest[2])
        return {}

    monkeypatch.setattr(program, "write_program", write_program)
    folder = tiny_checkpoint("tiny-customvoice")
    command = ["--checkpoint", str(folder), "--output", str(tmp_path / "model.pte"), "--recipe", "small"]
    args = flags.parse_args([*command, "--calibrate", str(texts)])
    program.write_model(args, Checkpoint(folder), silent)
    assert written["flags"]["calibrate"] == sha256_of(texts)[:12]
    plain = Model(Checkpoint(folder), RECIPES["small"]).talker
    for name, layer in plain.named_modules():
        if isinstance(layer, QuantizedLinear):
            other = written["talker"].get_submodule(name)
            assert other.codes.shape == layer.codes.shape
            assert not torch.equal(other.codes, layer.codes)


@pytest.mark.slow
def test_a_trained_voice_is_nearer_to_fp32(tiny_checkpoint: Folders) -> None:
    recipes = {"balanced": RECIPES["balanced"], "exact": FLOAT}
    found = quality.measure(tiny_checkpoint("demo"), recipes, 60, HELD_OUT, TEXTS)
    assert list(found) == ["balanced", "balanced, calibrated", "exact"]
    assert found["balanced, calibrated"].code_kl < 0.95 * found["balanced"].code_kl
    assert found["exact"].code_kl == 0


@pytest.mark.parametrize(("content", "message"), [(b" \n\n", "has no text"), (b"\xff\xfe\x00", "is not UTF-8 text")])
def test_texts_that_are_none_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "texts.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_texts(tmp_path / "texts.txt")
