"""benchmarks/quality.py on a tiny model: exact is exact, narrower is less so."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import models


def test_figures_follow_the_width(tiny_checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    command = [sys.executable, str(models.REPOSITORY / "benchmarks" / "quality.py"), "--frames", "24"]
    command += ["--checkpoint", str(tiny_checkpoint("tiny-base")), "--output", str(tmp_path / "quality.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "quality.json").read_text())
    exact, quality, balanced, small = (figures[name] for name in ("exact", "quality", "balanced", "small"))
    assert (exact["talker_agreement"], exact["code_agreement"]) == (1, 1)
    assert exact["talker_kl"] == exact["code_kl"] == 0
    assert 0 < quality["talker_kl"] < balanced["talker_kl"]
    assert quality["code_kl"] < small["code_kl"]
    assert small["snr_db"] < 40 < balanced["snr_db"]
    assert len(done.stdout.splitlines()) == 2 + len(figures)
