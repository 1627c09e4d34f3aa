"""From queries and keys to the attention probabilities that are kept: some columns, never a whole matrix.

A column of a softmax row is exp(logit − log Σ exp of the row). The sum comes from the kernel that computed
the attention where it tells it, else from the logits, some rows at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusers_attnmask.attention.kernels import attend
from diffusers_attnmask.attention.tap import Comparison

CHUNK = 1 << 22  # logits held at once: 16 MiB


def logits(query: Tensor, key: Tensor, scale: float, mask: Tensor | None = None) -> Tensor:
    """scale · Q Kᵀ + mask in float32: (…, Q, K)."""
    found = (query.float() * scale) @ key.float().mT
    if mask is None:
        return found
    return found.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else found + mask


def probabilities(comparison: Comparison) -> Tensor:
    """softmax(scale · Q Kᵀ + mask) in float32, every one of them: (…, Q, K)."""
    return logits(comparison.query, comparison.key, comparison.scale, comparison.mask).softmax(-1)


def row_logsumexp(query: Tensor, key: Tensor, scale: float, mask: Tensor | None = None) -> Tensor:
    """log Σ exp of every row of logits: (B, heads, Q), float32. query: (B, heads, Q, d), key: (B, heads, K,
    d).
    """
    _, told = attend(query, key, key, mask, scale=scale)
    if told is not None:
        return told
    batch, heads, queries, _ = query.shape
    rows = max(1, CHUNK // (batch * heads * key.shape[2]))
    return torch.cat(
        [
            logits(query[:, :, start : start + rows], key, scale, _mask_rows(mask, start, rows)).logsumexp(-1)
            for start in range(0, queries, rows)
        ],
        dim=-1,
    )


def _mask_rows(mask: Tensor | None, start: int, rows: int) -> Tensor | None:
    if mask is None or mask.ndim < 2 or mask.shape[-2] == 1:
        return mask
    return mask[..., start : start + rows, :]


def column_probabilities(
    query: Tensor, keys: Tensor, logsumexp: Tensor, scale: float, mask: Tensor | None = None
) -> Tensor:
    """Probabilities of some keys (B, heads, T, d) in the rows of all queries: (B, heads, T, Q), float32.

    logsumexp: (B, heads, Q), over all keys of the row. mask: the columns' own, (B, heads or 1, T, Q or 1).
    """
    batch, heads, tokens, depth = keys.shape
    rows = query.float().reshape(batch * heads, -1, depth).mT
    flat = keys.float().reshape(batch * heads, tokens, depth)
    found = torch.baddbmm(logsumexp.reshape(batch * heads, 1, -1), flat, rows, beta=-1, alpha=scale)
    found = found.view(batch, heads, tokens, -1)
    if mask is not None:
        found = found.masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else found.add_(mask)
    return found.exp_()


def mean_transitions(
    query: Tensor,
    key: Tensor,
    scale: float,
    mask: Tensor | None,
    grid: tuple[int, int],
    pool: int = 1,
    turn: int = 0,
) -> Tensor:
    """Softmax rows among the image's places, mean over heads, some rows at a time: (B, N', N').

    query and key: (B, heads, N, d), N places of the grid. pool: squares of pool × pool places are one place.
    Its columns are summed; its row is that of one of its places, in turn, which costs pool² times less than
    the mean of all of them and comes to it over the turns.
    """
    if pool == 1:
        return mean_rows(query, key, scale, mask)
    places = square_members(grid, pool, turn, query.device)
    if mask is not None and mask.ndim > 1 and mask.shape[-2] > 1:
        mask = mask.index_select(-2, places)
    kept = partial(_pooled_columns, grid=grid, pool=pool)
    return mean_rows(query.index_select(2, places), key, scale, mask, kept)


@functools.cache
def square_members(grid: tuple[int, int], pool: int, turn: int, device: torch.device) -> Tensor:
    """The place (N',) of each pool × pool square of a grid whose turn it is, squares row by row.

    pool² turns go over all places of a square. At the borders of an odd grid squares are smaller, and the
    last row or column has its turn more often.
    """
    down, right = divmod(turn % pool**2, pool)
    rows, columns = (
        (torch.arange(0, length, pool, device=device) + shift).clamp(max=length - 1)
        for length, shift in zip(grid, (down, right), strict=True)
    )
    return (rows[:, None] * grid[1] + columns).flatten()


def mean_rows(
    query: Tensor,
    key: Tensor,
    scale: float,
    mask: Tensor | None,
    kept: Callable[[Tensor], Tensor] = lambda rows: rows,
) -> Tensor:
    """Softmax rows of queries (B, heads, Q, d), mean over heads, some at a time: (B, Q, N').

    kept: what is kept of a portion (B, rows, N) of them.
    """
    batch, heads, queries, _ = query.shape
    rows = max(1, CHUNK // (batch * heads * key.shape[2]))
    parts = [
        kept(
            logits(query[:, :, start : start + rows], key, scale, _mask_rows(mask, start, rows))
            .softmax(-1)
            .mean(1)
        )
        for start in range(0, queries, rows)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _pooled_columns(rows: Tensor, grid: tuple[int, int], pool: int) -> Tensor:
    """Sums over pool × pool places of the last dimension; at the borders of an odd grid there are fewer."""
    maps = rows.unflatten(-1, grid).flatten(0, 1)[:, None]
    summed = F.avg_pool2d(maps, pool, ceil_mode=True, divisor_override=1)
    return summed.flatten(1).unflatten(0, rows.shape[:2])


def project_keys(attention: Any, context: Tensor, heads: int) -> Tensor:
    """Keys of contexts (n, S, D) as a cross-attention layer itself would make them: (n, heads, S, d)."""
    if attention.norm_cross is not None:
        context = attention.norm_encoder_hidden_states(context)
    keys, norm = attention.to_k(context), attention.norm_k
    weight = getattr(norm, "weight", None)
    if norm is not None and weight is not None and len(weight) == keys.shape[-1]:  # over all heads together
        keys, norm = norm(keys), None
    keys = keys.unflatten(-1, (heads, -1)).transpose(1, 2)
    return keys if norm is None else norm(keys)
