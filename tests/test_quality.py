"""benchmarks/quality.py, guessed_codes.py and recipes.py on a tiny model, voice_quality.py on the demo voice: exact is
exact, narrower is less so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import guessed_codes
import models
import voice_quality
from guessed_codes import Guess
from quality import requests
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.model import Model
from qwen3_tts.recipe import FLOAT, RECIPES
from qwen3_tts.text_tokenizer import TextTokenizer

pytestmark = pytest.mark.slow


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=models.ENVIRONMENT, capture_output=True, text=True, check=False)


def test_figures_follow_the_width(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    command = [sys.executable, str(models.REPOSITORY / "benchmarks" / "quality.py"), "--frames", "24"]
    command += ["--checkpoint", str(tiny_checkpoint("tiny-base")), "--output", str(tmp_path / "quality.json")]
    done = run(command)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "quality.json").read_text())
    exact, quality, balanced, small, phone, xnnpack = figures.values()
    assert list(figures) == list(RECIPES)
    assert (exact["talker_agreement"], exact["code_agreement"]) == (1, 1)
    assert exact["talker_kl"] == exact["code_kl"] == 0
    assert 0 < quality["talker_kl"] < balanced["talker_kl"]
    assert quality["code_kl"] < min(small["code_kl"], phone["code_kl"])
    assert quality["talker_kl"] < xnnpack["talker_kl"]
    assert max(small["snr_db"], phone["snr_db"]) < 40 < balanced["snr_db"]
    assert len(done.stdout.splitlines()) == 2 + len(figures)


def test_a_guess_that_knows_all_is_the_model(tiny_checkpoint: Callable[[str], Path]) -> None:
    checkpoint = Checkpoint(tiny_checkpoint("tiny-customvoice"))
    options = replace(checkpoint.config.sampling, max_new_tokens=9)
    recorder = guessed_codes.Recorder(Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json), 9)
    texts = ["One.", "Two and three."]
    parts = [recorder.record(request, options, 7) for request in requests(checkpoint, texts)]
    judge = guessed_codes.Judge(guessed_codes.joined(parts), options)
    for group in range(1, checkpoint.config.num_code_groups):
        head = recorder.predictor.heads[group - 1]
        assert judge.agreement(Guess(group, group), head) == (1, 1)
        likeliest, drawn = judge.agreement(Guess(group - 1, group), head)
        assert likeliest < 1
        assert drawn < 1


def test_groups_leave_their_first_code_to_the_model() -> None:
    assert guessed_codes.groups_of(3, 6) == [Guess(1, 2), Guess(1, 3), Guess(4, 5)]


def test_recipes_are_one_table(
    tiny_pte: Callable[[str], Path], tiny_checkpoint: Callable[[str], Path], runner: Path, tmp_path: Path
) -> None:
    exports = {"exact": "tiny-customvoice", "small": "tiny-customvoice-small"}
    command = [sys.executable, str(models.REPOSITORY / "benchmarks" / "recipes.py"), "--runner", str(runner)]
    command += ["--checkpoint", str(tiny_checkpoint("tiny-customvoice")), "--output", str(tmp_path / "recipes.json")]
    command += ["--frames", "5", "--quality-frames", "12", "--rounds", "2"]
    for recipe, name in exports.items():
        command += ["--model", f"{recipe}={tiny_pte(name)}"]
    done = run(command)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "recipes.json").read_text())
    assert list(figures) == list(exports)
    exact, small = figures["exact"], figures["small"]
    assert small["file_mb"] < exact["file_mb"] < exact["peak_mb"]
    assert small["snr_db"] < exact["snr_db"]
    assert small["talker_kl"] > exact["talker_kl"] == 0
    assert 0 < exact["rtf"]["p50"] <= exact["rtf"]["p95"]
    lines = done.stdout.splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["`exact`", "`small`"]
    assert {line.count("|") for line in lines} == {11}

    wrong = run([*command, "--model", "tiny=a.pte"])
    assert wrong.returncode == 1
    assert "'tiny=a.pte' is no RECIPE=FILE" in wrong.stderr


@pytest.mark.usefixtures("whisper")
def test_a_voice_is_judged_recipe_by_recipe(tiny_pte: Callable[[str], Path], runner: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(models.REPOSITORY / "benchmarks" / "voice_quality.py"), "--runner", str(runner)]
    command += ["--output", str(tmp_path / "voice.json"), "--sentences", "2"]
    small = ["--model", f"small={tiny_pte('demo-small')}"]
    done = run([*command, *small, "--model", f"exact={tiny_pte('demo-exact')}"])
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "voice.json").read_text())
    assert (figures["exact"]["equal_codes"], figures["exact"]["equal_first_codes"]) == (1, 1)
    assert figures["exact"]["snr_db"] is None
    assert 0 < figures["small"]["equal_codes"] < 1
    assert 5 < figures["small"]["snr_db"] < 60
    assert [line.split("|")[1].strip() for line in done.stdout.splitlines()[2:]] == ["`small`", "`exact`"]

    wrong = run([*command, *small])
    assert wrong.returncode == 1
    assert "--model exact=FILE is missing" in wrong.stderr


def test_codes_of_one_utterance_alone_are_not_equal() -> None:
    short, long = np.array([[1, 2]], np.int32), np.array([[1, 3], [4, 5]], np.int32)
    assert voice_quality.equal_share([short], [short]) == 1
    assert voice_quality.equal_share([short], [long]) == voice_quality.equal_share([long], [short]) == 1 / 4
    assert voice_quality.equal_share([short, long], [long, long]) == 5 / 8
