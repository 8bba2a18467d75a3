"""What is damaged is refused or changes nothing: a part of `python tests/mutations.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

import models
from mutations import KINDS, judge, make_targets


@pytest.mark.slow
def test_damage_is_refused_or_changes_nothing(build_dir: Path, tmp_path: Path) -> None:
    runner = build_dir / "qwen3_tts_runner"
    for name, target in make_targets(runner, tmp_path).items():
        faults, outcomes = judge(name, target, runner, tmp_path, count=2 * len(KINDS), seed=1)
        assert not faults, "\n".join(faults)
        assert "refused" in outcomes or name == "cache"
    assert models.exported("demo-small").stat().st_size > 3 << 16  # so that its structure is hit, too
