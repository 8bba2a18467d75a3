"""Tests of every program that speaks. Those of the demo voice count as listening: nothing else needs them."""

from __future__ import annotations

import pytest

from models import DEMO, EXPORTS

EVERY_EXPORT = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.listening] if export.size == DEMO else [])
        for name, export in EXPORTS.items()
    ],
)
