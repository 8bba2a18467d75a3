"""The examples for Ray, on a cluster of two nodes on this machine: tests/ray_cluster.py, in Ray's own environment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from models import REPOSITORY
from python_runtime import ENVIRONMENT

PYTHON = REPOSITORY / ".ray-venv" / "bin" / "python"
PATIENCE = 600  # seconds

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(not PYTHON.exists(), reason="there is no .ray-venv: call `make test-service`"),
]


@pytest.mark.parametrize("what", ["bulk", "serve"])
def test_cluster(tiny_pte: Callable[[str], Path], tmp_path: Path, what: str) -> None:
    patient = {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "120"}  # else Ray ends what starts slowly on a busy machine
    paths = os.pathsep.join(str(REPOSITORY / name) for name in ("bindings/python", "examples"))
    log = tmp_path / "log"  # and no pipe, which Ray's processes would hold open
    with log.open("w") as output:
        done = subprocess.run(
            [PYTHON, "tests/ray_cluster.py", what, tiny_pte("demo-small"), "lark"],
            cwd=REPOSITORY,
            env={**ENVIRONMENT, **patient, "PYTHONPATH": paths},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
    said = log.read_text()
    assert (done.returncode, said.splitlines()[-1][:2]) == (0, "ok"), said[-4000:]
