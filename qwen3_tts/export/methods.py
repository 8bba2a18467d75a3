"""The methods of a `model.pte` that speaks.

| method | inputs | state | outputs |
|---|---|---|---|
| encode_text | ids [S] | | rows [S, H] |
| codec_embed | ids [S], rows of the stacked code embedding table | | rows [S, H] |
| talker_prefill * | rows [MAX_ROWS, H], position [1], count [1] | kv | as talker |
| talker | rows [S, H], position [1] | kv | logits [1, V], hidden [1, H] of the last row |
| frame * | text row [1, H], position [1], penalty [V], bans [V], uniforms [G], sampling [6] | kv | codes [G] |
| cp_generate | hidden [1, H], code 0 [1], uniforms [G - 1], sampling [3] | kv | codes [G], frame embedding [1, H] |
| code_predictor | rows [S, H], position [1] | kv | hidden [1, Hcp] |
| cp_head | hidden [1, Hcp] | | logits [G - 1, Vc] |
| decode_audio | codes [T, G], position [1] | history [N], kv | samples [T * samples_per_frame] |

Ids, codes, positions and counts are int64, everything else fp32, whatever the weights are; a recipe may narrow the
talker's kv. In a program for a CPU the state is the caller's: further inputs, which are written; S and T may be any
size up to the contract's limits. A program for a GPU keeps its state itself, has the methods with a star besides, and
takes one row or frame a call: only the number of ids is free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Method:
    """A method as it is given to the export."""

    name: str
    module: nn.Module
    example_inputs: tuple[Tensor, ...]
    dynamic: dict[int, dict[int, Any]] = field(default_factory=dict)  # input index -> {dimension: Dim}

    @property
    def dynamic_shapes(self) -> tuple[dict[int, Any] | None, ...]:
        return tuple(self.dynamic.get(i) for i in range(len(self.example_inputs)))
