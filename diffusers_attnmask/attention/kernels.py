"""One door to `scaled_dot_product_attention` that also gives each row's log-sum-exp, where a kernel has it.

torch picks a kernel for each call, and most of them know log Σ exp of every row, which torch's own function
throws away. Here the same kernel is called by name. The first time that happens on a kind of device, with a
dtype, the result is compared with torch's own; a kernel that differs in one bit is never used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

FLASH, EFFICIENT = 1, 2  # what torch._fused_sdp_choice calls them
Kernel = Callable[[Tensor, Tensor, Tensor, Tensor | None, float | None], tuple[Tensor, Tensor]]

_proven: dict[tuple[str, int, torch.dtype], bool] = {}


def _flash_cpu(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None) -> Any:
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, False, attn_mask=mask, scale=scale
    )


def _flash_cuda(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None) -> Any:
    return torch.ops.aten._scaled_dot_product_flash_attention(
        query, key, value, 0.0, False, False, scale=scale
    )[:2]


def _efficient_cuda(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scale: float | None
) -> Any:
    output, logsumexp, *_ = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, mask, True, 0.0, False, scale=scale
    )
    return output, logsumexp[..., : query.shape[2]]  # it is padded to whole warps


KERNELS: dict[tuple[str, int], Kernel] = {
    ("cpu", FLASH): _flash_cpu,
    ("cuda", FLASH): _flash_cuda,
    ("cuda", EFFICIENT): _efficient_cuda,
}


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What `scaled_dot_product_attention` returns, to the bit, and the rows' log-sum-exp (B, heads, Q) or
    None.

    query: (B, heads, Q, d), key and value: (B, heads, K, d).
    """
    plain = dropout_p == 0 and not is_causal and not enable_gqa and query.ndim == 4
    if plain and not torch.is_grad_enabled() and (attn_mask is None or attn_mask.dtype == query.dtype):
        choice = torch._fused_sdp_choice(query, key, value, attn_mask=attn_mask, scale=scale)
        kernel = KERNELS.get((query.device.type, choice))
        if kernel is not None and _is_proven(kernel, choice, query, key, value, attn_mask, scale):
            return kernel(query, key, value, attn_mask, scale)
    output = F.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
    )
    return output, None


def _is_proven(
    kernel: Kernel,
    choice: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scale: float | None,
) -> bool:
    known = (query.device.type, choice, query.dtype)
    if known not in _proven:
        try:
            output, _ = kernel(query, key, value, mask, scale)
        except (RuntimeError, TypeError):  # another torch has another signature
            _proven[known] = False
        else:
            expected = F.scaled_dot_product_attention(query, key, value, mask, scale=scale)
            _proven[known] = torch.equal(output.nan_to_num(), expected.nan_to_num())
    return _proven[known]
