"""Weights rounded to codes of a few bits: each to its nearest code, or together, by what the layer's inputs are."""

from __future__ import annotations

import torch
from torch import Tensor

from qwen3_tts.export.packing.linear import midpoint

SEARCHED_SHARES = [0.70 + 0.02 * i for i in range(17)]  # of the largest weight that the largest code stands for
SEARCH_ROWS = 256  # searched at a time, to stay in the cache
SMALLEST_WEIGHT = 1e-8
RIDGE = 1e-4  # of the mean square of an input, added to each: the factors need it where many rows leave nothing over


class InputMoments:
    """What the inputs of a layer of `width` inputs are together: sums over rows."""

    def __init__(self, width: int):
        self.num_rows = 0
        self._products = torch.zeros(width, width)
        self._fourth_powers = 0.0  # of the rows' norms

    def add(self, rows: Tensor) -> None:
        """rows [S, K]."""
        self.num_rows += len(rows)
        self._products.addmm_(rows.t(), rows)
        self._fourth_powers += float(rows.double().square().sum(1).square().sum())

    def estimate(self) -> Tensor:
        """The second moments E[x x^T], [K, K] in double, without what few rows claim by chance.

        The mean over the rows is shrunk towards inputs that are all alike and independent, as much as it is noise:
        Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices (2004). Raises
        ValueError when nothing was added, or what is no number.
        """
        if not self.num_rows or not self._products.isfinite().all():
            raise ValueError("the layer got no inputs, or inputs that are no numbers")
        mean = self._products.double() / self.num_rows
        alike = torch.eye(len(mean), dtype=torch.float64) * mean.diagonal().mean().clamp_min(1e-30)
        spread = float((mean - alike).square().sum())
        noise = (self._fourth_powers / self.num_rows - float(mean.square().sum())) / self.num_rows
        share = 1.0 if spread <= 0 else min(1.0, max(0.0, noise / spread))
        return (1 - share) * mean + (share + RIDGE) * alike


def lowest_code(bits: int) -> int:
    """Of the signed codes. At 8 bits both ends are as far from zero, like the inputs'."""
    return 1 - midpoint(bits) if bits == 8 else -midpoint(bits)


def nearest_codes(weight: Tensor, scales: Tensor, bits: int) -> Tensor:
    """Signed codes, in fp32, of numbers that have these scales."""
    return torch.round(weight / scales).clamp_(lowest_code(bits), midpoint(bits) - 1)


@torch.no_grad()
def rounded(weight: Tensor, bits: int, group_size: int, moments: InputMoments | None = None) -> tuple[Tensor, Tensor]:
    """Signed codes [N, K] in fp32 and scales [N, K / group_size] for a layer's `weight` [N, K].

    With the moments of its inputs, the layer's outputs change least: less than of weights that are each rounded to the
    nearest code.
    """
    if moments is not None:
        return _rounded_together(weight, bits, group_size, moments.estimate())
    scales = group_scales(weight, bits, group_size)
    groups = weight.view(*scales.shape, group_size)
    return nearest_codes(groups, scales[..., None], bits).flatten(1), scales


def _rounded_together(weight: Tensor, bits: int, group_size: int, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Column by column: those behind make up for what the rounding of one changes in the outputs.

    Frantar et al., GPTQ: Accurate post-training quantization for generative pre-trained transformers (2022).
    """
    factors = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(moments)), upper=True).float()
    left = weight.clone()  # what the columns behind are to stand for
    codes = torch.empty_like(left)
    all_scales = []
    for begin in range(0, left.shape[1], group_size):
        end = begin + group_size
        scales = group_scales(left[:, begin:end].contiguous(), bits, group_size)
        errors = torch.empty_like(left[:, begin:end])
        for k in range(begin, end):
            codes[:, k] = nearest_codes(left[:, k], scales[:, 0], bits)
            errors[:, k - begin] = (left[:, k] - codes[:, k] * scales[:, 0]) / factors[k, k]
            left[:, k + 1 : end] -= errors[:, k - begin, None] * factors[k, k + 1 : end]
        left[:, end:] -= errors @ factors[begin:end, end:]
        all_scales.append(scales)
    return codes, torch.cat(all_scales, dim=1)


@torch.no_grad()
def group_scales(weight: Tensor, bits: int, group_size: int) -> Tensor:
    """Scales [N, K / group_size] of `weight` [N, K], held by bfloat16, that give each group the least squared error.

    Clipping the largest weight of a group a little rounds the others less: at 4 bits the error falls by a tenth against
    scales that reach the largest weight (docs/performance.md).
    """
    pieces = [_searched_scales(rows.view(len(rows), -1, group_size), bits) for rows in weight.split(SEARCH_ROWS)]
    return torch.cat(pieces)


def _searched_scales(groups: Tensor, bits: int) -> Tensor:
    """[rows, groups, group_size] -> [rows, groups]"""
    largest = groups.abs().amax(-1, keepdim=True).clamp_min(SMALLEST_WEIGHT)
    best_error = torch.full_like(largest, torch.inf)
    best = torch.empty_like(largest)
    for share in SEARCHED_SHARES:
        scales = (largest * (share / (midpoint(bits) - 1))).bfloat16().float()
        error = nearest_codes(groups, scales, bits).mul_(scales).sub_(groups).square_().sum(-1, keepdim=True)
        is_better = error < best_error
        best_error = torch.where(is_better, error, best_error)
        best = torch.where(is_better, scales, best)
    return best[..., 0]
