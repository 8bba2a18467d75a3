"""Sampling in the graph: the same definition as qwen3_tts/sampling.py, in fp32 and with reductions alone.

Sorting, top-k and cumulative sums have no Triton kernel that Inductor may use here, or one of a single block. Of 2048
logits every pair can be compared instead: a logit is among the k largest when fewer than k are larger. That takes any
k, keeps ties as the definition says, and cannot depend on an order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from qwen3_tts.sampling import NOTHING_TO_DRAW


def sample(logits: Tensor, uniforms: Tensor, index: int, sampling: Tensor) -> Tensor:
    """Codes [B] int64 from logits [B, V] with uniforms[:, index] and {temperature, top_k, top_p} [B, 3]."""
    temperature, top_k, top_p = sampling.split(1, dim=1)
    return pick(logits.float(), temperature, top_k, top_p, uniforms[:, index : index + 1])


def draw(
    logits: Tensor, uniforms: Tensor, index: int, settings: Tensor, table: Tensor, first_row: int, total: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes [B] int64, their rows of the table [B, H] fp32, and total + rows.

    Logits [B, V] fp32, uniforms[:, index] in [0, 1), settings {temperature, top_k, top_p} [B, 3]; table [rows, H],
    where code 0 has `first_row`; total [B, H] fp32 or None for zeros. NOTHING_TO_DRAW has the row of code 0.
    """
    codes = sample(logits, uniforms, index, settings)
    rows = F.embedding(codes.clamp(min=0) + first_row, table).float()
    return codes, rows, rows.clone() if total is None else total + rows


def pick(logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, uniform: Tensor) -> Tensor:
    """The ids [B] that `uniform` in [0, 1) selects from `logits` [B, V]; all other arguments are [B, 1]."""
    ids = torch.arange(logits.shape[1], device=logits.device)
    largest = logits.amax(1, keepdim=True)
    scaled = logits / torch.where(temperature > 0, temperature, 1.0)
    peak = scaled.amax(1, keepdim=True)
    greedy = _lowest(logits == largest, ids)
    is_greedy = (temperature == 0) | ~torch.isfinite(peak)  # a tiny temperature overflowed: the limit is greedy
    drawn = _draw(_kept_weights(scaled, peak, top_k, top_p, ids), uniform, ids)
    return torch.where(torch.isfinite(largest), torch.where(is_greedy, greedy, drawn), NOTHING_TO_DRAW)[:, 0]


def _kept_weights(scaled: Tensor, peak: Tensor, top_k: Tensor, top_p: Tensor, ids: Tensor) -> Tensor:
    """exp(scaled - peak) [B, V] of the ids that top-k and top-p keep, 0 for the others."""
    one, other = scaled[:, :, None], scaled[:, None, :]
    larger = (other > one).to(torch.int32).sum(2)
    kept = (scaled > -torch.inf) & ((top_k < 1) | (larger < top_k))
    weights = torch.where(kept, (scaled - peak).exp(), 0.0)
    comes_first = (other < one) | ((other == one) & (ids[None, :] <= ids[:, None]))
    below = torch.where(comes_first, weights[:, None, :], 0.0).sum(2)  # up to and with this id, least likely first
    most_likely = _highest(scaled == peak, ids)
    kept = (top_p >= 1) | (below > (1 - top_p) * weights.sum(1, keepdim=True)) | (ids == most_likely)
    return torch.where(kept, weights, 0.0)


def _draw(weights: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
    """The first id [B, 1] at which the sum of `weights` [B, V] exceeds its share `uniform`; the last one that counts if
    none does."""
    cumulative = torch.where(ids[None, :] <= ids[:, None], weights[:, None, :], 0.0).sum(2)
    counts = weights > 0
    first = _lowest(counts & (cumulative > uniform * weights.sum(1, keepdim=True)), ids)
    return torch.minimum(first, _highest(counts, ids))


def _lowest(chosen: Tensor, ids: Tensor) -> Tensor:
    """[B, 1]; len(ids) where none of a row is chosen."""
    return torch.where(chosen, ids, len(ids)).amin(1, keepdim=True)


def _highest(chosen: Tensor, ids: Tensor) -> Tensor:
    return torch.where(chosen, ids, -1).amax(1, keepdim=True)


def process_talker_logits(
    logits: Tensor,
    seen: Tensor,
    may_end: Tensor,
    repetition_penalty: Tensor,
    *,
    code_vocab_size: int,
    eos_id: int,
) -> Tensor:
    """Logits [B, V] as tokens are drawn from them: process_talker_logits() of qwen3_tts/sampling.py.

    seen [B, V]: 1 for every id drawn before, else 0; may_end, repetition_penalty [B, 1]. Control rows are never drawn,
    nor is the end token unless may_end is 1.
    """
    penalty = torch.where(seen > 0, repetition_penalty, 1.0)
    ids = torch.arange(logits.shape[1], device=logits.device)
    is_allowed = (ids < code_vocab_size) | ((ids == eos_id) & (may_end > 0))
    return torch.where(is_allowed, torch.where(logits >= 0, logits / penalty, logits * penalty), -torch.inf)
