"""Bytes of weights that one call of a method for a GPU reads, and how near that comes to the speed of the memory."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn  # gpu_check.py says whether it is there

ROWS = ("codec_embedding", "text_embedding", "codec.codebooks")  # tables of which a call reads a few rows
STATE = ("last",)
STATE_OF_LAYERS = ("keys", "values", "past")
EVERY_GROUP = ("code_predictor.layers", "code_predictor.projection", "code_predictor.norm")


def weights_gb(module: nn.Module, groups: int) -> float:
    """1e9 bytes. groups: of the codes of a frame, for all but the first of which the code predictor is read again."""
    times = groups - 1 if hasattr(module, "group_offsets") else 1  # a frame's loop over groups, or a single step
    total = 0
    for name, tensor in chain(module.named_parameters(), module.named_buffers()):
        if name.startswith(ROWS + STATE) or name.endswith(STATE_OF_LAYERS):
            continue
        total += tensor.nbytes * (times if name.startswith(EVERY_GROUP) else 1)
    return total / 1e9


def share_of_copy(found: dict[str, Any], copy_gb_per_s: float | None) -> dict[str, float]:
    """ "of_copy" of what a step found: the speed that its weights are read with, by that of a copy within the memory,
    in the time of the CUDA graph where there is one. Caches come on top. Nothing where one of both is not known."""
    if "weights_gb" not in found or copy_gb_per_s is None:
        return {}
    return {"of_copy": found["weights_gb"] / (found.get("graph_ms", found["ms"]) / 1000) / copy_gb_per_s}
