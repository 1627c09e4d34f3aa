"""Read queries and keys at the moment an attention layer compares them, and leave its result alone.

Every processor of diffusers ends in `scaled_dot_product_attention`, or in the `baddbmm` of
`Attention.get_attention_scores` (one call per slice when attention is sliced). A torch function mode, active
only inside the processor's own call, sees those two, so no processor has to be rewritten.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class AttentionCall:
    """What one attention layer compared.

    query: (B, heads, Q, d), key: (B, heads, K, d); the logits are `scale · query @ keyᵀ` plus `mask`, which
    is additive or boolean, broadcasts to (B, heads, Q, K), and may be None.
    """

    query: Tensor
    key: Tensor
    scale: float
    mask: Tensor | None = None


Listener = Callable[[AttentionCall], None]


class FirstComparison(TorchFunctionMode):
    """Tells the listener about the first whole comparison of queries and keys, and of none after it.

    The first is the text's (or the image's with itself); IP-Adapters compare with image keys afterwards.
    """

    def __init__(self, batch: int, heads: int, listener: Listener) -> None:
        super().__init__()
        self.batch = batch
        self.heads = heads
        self.listener = listener
        self.reported = False
        self.slices: list[tuple[Tensor, Tensor, Tensor | None]] = []

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.reported:
            if func is F.scaled_dot_product_attention:
                self.report_fused(*args, **kwargs)
            elif func is torch.baddbmm:
                self.report_slice(*args, **kwargs)
        return func(*args, **kwargs)

    def report_fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        scale: float | None = None,
        **others: Any,
    ) -> None:
        self.report(AttentionCall(query, key, query.shape[-1] ** -0.5 if scale is None else scale, attn_mask))

    def report_slice(
        self, input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> None:
        """Some of the B·heads rows, in order: batch1 (rows, Q, d), batch2 (rows, d, K)."""
        self.slices.append((batch1, batch2.mT, input if beta else None))
        if sum(len(query) for query, _, _ in self.slices) < self.batch * self.heads:
            return
        query, key, mask = (
            None if parts[0] is None else torch.cat(parts).unflatten(0, (self.batch, self.heads))
            for parts in zip(*self.slices, strict=True)
        )
        self.report(AttentionCall(query, key, alpha, mask))

    def report(self, call: AttentionCall) -> None:
        self.reported = True
        self.slices.clear()
        self.listener(call)


def tapped_processor(processor: Any, listener: Listener) -> Any:
    """A processor that runs `processor` unchanged while the listener hears its comparison.

    Its class derives from the processor's and shares its attributes, so whatever diffusers asks of it
    (its class, signature, weights, IP-Adapter scales) is answered as before.
    """
    original = type(processor)

    @functools.wraps(original.__call__)
    def call(self: Any, attn: nn.Module, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        with FirstComparison(len(hidden_states), attn.heads, listener):
            return original.__call__(processor, attn, hidden_states, *args, **kwargs)

    tapped = object.__new__(type(original.__name__, (original,), {"__call__": call}))
    object.__setattr__(tapped, "__dict__", processor.__dict__)
    return tapped


@contextmanager
def tapped(listeners: Mapping[nn.Module, Listener]) -> Iterator[None]:
    """Let each attention module's listener hear its comparisons; put the processors back on the way out."""
    replaced = {}
    try:
        for attention, listener in listeners.items():
            original = attention.processor
            replaced[attention] = (original, tapped_processor(original, listener))
            attention.processor = replaced[attention][1]
        yield
    finally:
        for attention, (original, own) in replaced.items():
            if attention.processor is own:  # else it was replaced meanwhile, on purpose
                attention.processor = original
