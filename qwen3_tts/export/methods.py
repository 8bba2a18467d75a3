"""The methods of a `model.pte` that speaks.

| method | inputs | state | outputs |
|---|---|---|---|
| encode_text | ids [S] | | rows [S, H] |
| codec_embed | ids [S], rows of the stacked code embedding table | | rows [S, H] |
| talker_prefill * | rows [MAX_ROWS, H], position [1], count [1], slot [1] | kv | logits [1, V], \
hidden [1, H] of the last row |
| talker | rows [S, H], positions [S], slots [S], outputs [M] | kv | logits [M, V], hidden [M, H] of these rows |
| frame * | packed [N, H + G + 10] (cuda/frame_input.py) | kv, last | codes [N, G] |
| cp_generate | hidden [B, H], code 0 [B], uniforms [B, G - 1], sampling [B, 3], slots [B] | kv | codes [B, G], \
frame embeddings [B, H] |
| code_predictor | rows [S, H], positions [S], slots [S], outputs [M] | kv | hidden [M, Hcp] of these rows |
| cp_head | hidden [B, Hcp] | | logits [B, G - 1, Vc] |
| decode_audio | codes [T, G], positions [T] | history [N], kv | samples [T * samples_per_frame] |
| decode_chunk * | codes [4, G], positions [4], slot [1] | as decode_audio | samples [4 * samples_per_frame] |

Ids, codes, positions, slots and counts are int64, everything else fp32, whatever the weights are; a recipe may narrow
the talker's kv. A row is of the utterance whose keys and values are in its slot of kv [slots, layers, 2, KVH, C, D]
(stages/layers.py), and `outputs` are indices of rows: one call takes rows of one utterance or of many, and what comes
of each row does not depend on the others. In a program for a CPU the state is the caller's: further inputs, which are
written; S, M, B, T and the talker's slots may be any size up to the contract's limits. A program for a GPU keeps the
state of its N utterances itself; it has the methods with a star besides. A call is about the one utterance whose slot
[1] comes last, and takes one row or frame of it, without outputs; `frame` takes a row of each. Only the number of ids
is free. cuda/methods.py has it in full.
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
