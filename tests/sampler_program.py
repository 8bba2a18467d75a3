"""Asks the runner's sampler, through tests/sample_stdin.cpp."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def answers(build_dir: Path, question: str, cases: bytes) -> list[str]:
    """The lines that the program answers."""
    program = build_dir / "tests" / "sample_stdin"
    assert program.exists(), f"{program} is missing: run `make build`"
    result = subprocess.run([program, question], input=cases, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode().split()


def picks(
    build_dir: Path,
    logits: NDArray[np.float32],
    temperature: float,
    top_k: int,
    top_p: float,
    uniforms: NDArray[np.float32],
) -> NDArray[np.int64]:
    """The id that each of `uniforms` [N] selects from `logits` [V]: [N]."""
    cases = [struct.pack("<iifff", len(logits), top_k, temperature, top_p, u) + logits.tobytes() for u in uniforms]
    return np.array(answers(build_dir, "pick", b"".join(cases)), dtype=np.int64)


def draws(
    build_dir: Path, logits: NDArray[np.float32], temperature: float, top_k: int, top_p: float, *, seed: int, count: int
) -> NDArray[np.int64]:
    """`count` ids drawn from `logits` [V] with the uniforms of `seed`: [count]."""
    case = struct.pack("<iiffQQ", len(logits), top_k, temperature, top_p, seed, count) + logits.tobytes()
    return np.array(answers(build_dir, "draws", case), dtype=np.int64)


def process_talker_logits(
    build_dir: Path,
    logits: NDArray[np.float32],
    *,
    generated: Sequence[int],
    repetition_penalty: float,
    min_new_tokens: int,
    code_vocab_size: int,
    eos_id: int,
) -> NDArray[np.float32]:
    """What the runner makes of the talker's logits [V]; the arguments of its twin in qwen3_tts/sampling.py."""
    case = struct.pack(
        "<iiiiif", len(logits), code_vocab_size, eos_id, min_new_tokens, len(generated), repetition_penalty
    )
    case += np.array(generated, dtype=np.int32).tobytes() + logits.tobytes()
    return np.array([float.fromhex(value) for value in answers(build_dir, "talker", case)], dtype=np.float32)
