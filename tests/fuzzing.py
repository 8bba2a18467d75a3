"""What the tests share that try made-up input: values that are rarely right, files that are damaged, and the loop.

A test tries some inputs, always the same ones; with QWEN3_TTS_FUZZ_SECONDS it tries others for that long.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECONDS = float(os.environ.get("QWEN3_TTS_FUZZ_SECONDS", "0"))

Made = TypeVar("Made")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 2**31, 2**63, 2**64, 10**400, 1e308, 1e-320])
    | st.floats()
    | st.text(max_size=60)
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


def fuzz(
    inputs: st.SearchStrategy[Made], check: Callable[[Made], None], *, examples: int = 25, known: Iterable[Made] = ()
) -> None:
    """First the `known` inputs, then input after input, until one fails the check or the time is over."""
    for made in known:
        check(made)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=SECONDS == 0,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def some(made: Made) -> None:
        check(made)

    end = time.monotonic() + SECONDS
    some()
    while time.monotonic() < end:
        some()


def cut_and_mixed(content: bytes, at: int, more: bytes) -> bytes:
    at %= len(content) + 1
    return content[:at] + more + content[at + len(more) // 2 :]
