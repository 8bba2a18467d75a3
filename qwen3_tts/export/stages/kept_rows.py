"""The rows of an embedding for some ids alone, which keep their numbers."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn


class KeptRows(nn.Module):
    """Rows [ids that are kept, H] of `embedding`; an id that is not kept has no row, and asking for it fails."""

    row_of: Tensor  # [ids]; of those that are not kept, the number behind the last row

    def __init__(self, embedding: nn.Embedding, pruned: Collection[int]):
        super().__init__()
        is_kept = torch.ones(embedding.num_embeddings, dtype=torch.bool)
        is_kept[torch.tensor(sorted(pruned))] = False
        rows = embedding.weight[is_kept]
        self.register_buffer("row_of", torch.where(is_kept, is_kept.cumsum(0) - 1, len(rows)))
        self.embedding = nn.Embedding.from_pretrained(rows, freeze=True)

    def forward(self, ids: Tensor) -> Tensor:
        """[S] -> [S, H]."""
        row: Tensor = self.embedding(torch.index_select(self.row_of, 0, ids))
        return row
