"""From queries and keys to the attention probabilities that are kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffusers_attnmask.attention.tap import AttentionCall

CHUNK = 1 << 22  # probabilities held at once while heads are averaged: 16 MiB


def one_image(call: AttentionCall, row: int) -> AttentionCall:
    """query (heads, Q, d) and key (heads, K, d) of one row of the batch."""
    mask = call.mask
    if mask is not None:
        mask = mask.expand(len(call.query), -1, -1, -1)[row] if mask.ndim == 4 else mask
    return AttentionCall(call.query[row], call.key[row], call.scale, mask)


def probabilities(call: AttentionCall) -> Tensor:
    """softmax(scale · Q Kᵀ + mask) in float32: (heads, Q, K)."""
    logits = (call.query.float() * call.scale) @ call.key.float().mT
    if call.mask is not None:
        if call.mask.dtype == torch.bool:
            logits = logits.masked_fill(~call.mask, -torch.inf)
        else:
            logits = logits + call.mask
    return logits.softmax(-1)


def token_probabilities(call: AttentionCall, positions: Sequence[int]) -> Tensor:
    """The columns of some keys: (heads, T, Q)."""
    return probabilities(call)[..., list(positions)].mT


def mean_over_heads(call: AttentionCall) -> Tensor:
    """Probabilities averaged over heads, some heads at a time: (Q, K)."""
    heads, queries = call.query.shape[:2]
    keys = call.key.shape[1]
    chunk = max(1, CHUNK // (queries * keys))
    total = torch.zeros(queries, keys, device=call.query.device)
    for start in range(0, heads, chunk):
        part = slice(start, start + chunk)
        mask = call.mask if call.mask is None or len(call.mask) == 1 else call.mask[part]
        total += probabilities(AttentionCall(call.query[part], call.key[part], call.scale, mask)).sum(0)
    return total / heads


def project_keys(attention: nn.Module, context: Tensor, query: Tensor) -> Tensor:
    """Keys of a context (S, D) as the layer itself would make them: (heads, S, d), in the query's dtype."""
    context = context[None].to(query)
    if attention.norm_cross is not None:
        context = attention.norm_encoder_hidden_states(context)
    keys = attention.to_k(context).unflatten(-1, (len(query), -1)).transpose(1, 2)
    return (keys if attention.norm_k is None else attention.norm_k(keys))[0]
