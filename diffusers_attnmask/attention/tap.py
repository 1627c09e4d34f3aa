"""Hear what an attention layer compares, at the moment it does, and leave its result alone.

A processor of diffusers computes its attention by one of four doors, and all of them are heard:
`scaled_dot_product_attention`; `baddbmm` and `bmm`, one pair per slice where attention is sliced; a backend
of `dispatch_attention_fn`; `memory_efficient_attention` of xformers. Torch's own functions are seen by a
function mode, the other two are wrapped where diffusers looks them up; all of that lasts no longer than the
processor's own call, so no processor has to be rewritten. What passes by none of them is refused before
sampling starts.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models import attention_dispatch, attention_processor
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

from diffusers_attnmask.attention.kernels import attend


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one attention layer compared, and what came of it.

    query: (B, heads, Q, d), key: (B, heads, K, d); the logits are `scale · query @ keyᵀ` plus `mask`, which
    is additive or boolean, broadcasts to (B, heads, Q, K), and may be None. value: (B, heads, K, d), output:
    (B, heads, Q, d). logsumexp: of each row of logits, (B, heads, Q), where the kernel told it.
    """

    query: Tensor
    key: Tensor
    scale: float
    mask: Tensor | None = None
    value: Tensor | None = None
    output: Tensor | None = None
    logsumexp: Tensor | None = None


Listener = Callable[[Comparison], None]


class FirstComparison(TorchFunctionMode):
    """Reports the first whole comparison of queries and keys to the listener, and none after it.

    The first is the text's (or the image's with itself); IP-Adapters compare with image keys afterwards.
    """

    def __init__(self, batch: int, heads: int, listener: Listener) -> None:
        super().__init__()
        self.batch = batch
        self.heads = heads
        self.listener = listener
        self.reported = False
        self.compared: list[tuple[Tensor, Tensor, Tensor | None]] = []  # slices, before their values
        self.summed: list[tuple[Tensor, Tensor]] = []  # and after

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self.reported:
            return func(*args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return self.fused(*args, **kwargs)
        result = func(*args, **kwargs)
        if func is torch.baddbmm:
            self.slice_compared(*args, **kwargs)
        elif func is torch.bmm and self.compared:
            self.slice_summed(args[1], result)
        return result

    def fused(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        output, logsumexp = attend(query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa)
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        self.report(Comparison(query, key, scale, attn_mask, value, output, logsumexp))
        return output

    def slice_compared(
        self, input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> None:
        """Some of the B·heads rows, in order: batch1 (rows, Q, d), batch2 (rows, d, K)."""
        self.scale = alpha
        self.compared.append((batch1, batch2.mT, input if beta else None))

    def slice_summed(self, value: Tensor, output: Tensor) -> None:
        """The same rows' values (rows, K, d) and outputs (rows, Q, d); after the last rows all is
        reported.
        """
        self.summed.append((value, output))
        if sum(len(query) for query, _, _ in self.compared) < self.batch * self.heads:
            return
        queries, keys, masks = zip(*self.compared, strict=True)
        query, key, value, output = map(self._whole, (queries, keys, *zip(*self.summed, strict=True)))
        mask = None if masks[0] is None else self._whole(masks)
        self.report(Comparison(query, key, self.scale, mask, value, output))

    def _whole(self, slices: Sequence[Any]) -> Tensor:
        """(B, heads, …) of slices, one after the other."""
        return torch.cat(list(slices)).unflatten(0, (self.batch, self.heads))

    def report(self, comparison: Comparison) -> None:
        """To the listener, and to those of traces around this one, whom the kernel called by name passes
        by.
        """
        around = [own for own in _get_current_function_mode_stack() if isinstance(own, FirstComparison)]
        for own in (*around, self):
            if not own.reported:
                own.reported = True
                own.compared.clear()
                own.summed.clear()
                own.listener(comparison)

    def backend(self, function: Callable) -> Callable:
        """A backend of `dispatch_attention_fn`, which takes (B, N, heads, d); those that end in torch's own
        function have been heard by then."""

        @functools.wraps(function)
        def heard(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Any:
            result = function(query, key, value, *args, **kwargs)
            if not self.reported:
                mask, scale = kwargs.get("attn_mask"), kwargs.get("scale")
                output = result[0] if isinstance(result, tuple) else result
                heads_first = (part.transpose(1, 2) for part in (query, key, value, output))
                self._report_whole(heads_first, mask, scale)
            return result

        return heard

    def memory_efficient(self, function: Callable) -> Callable:
        """`memory_efficient_attention`, which takes (B·heads, N, d) or (B, N, heads, d)."""

        @functools.wraps(function)
        def heard(query: Tensor, key: Tensor, value: Tensor, attn_bias: Any = None, **kwargs: Any) -> Tensor:
            output = function(query, key, value, attn_bias=attn_bias, **kwargs)
            if not self.reported:
                if query.ndim == 3:
                    parts = (part.unflatten(0, (-1, self.heads)) for part in (query, key, value, output))
                else:
                    parts = (part.transpose(1, 2) for part in (query, key, value, output))
                mask = None if attn_bias is None else attn_bias.unflatten(0, (-1, self.heads))
                self._report_whole(parts, mask, kwargs.get("scale"))
            return output

        return heard

    def _report_whole(self, parts: Iterable[Tensor], mask: Tensor | None, scale: float | None) -> None:
        """parts: query, key, value and output, (B, heads, N, d)."""
        query, key, value, output = parts
        scale = query.shape[-1] ** -0.5 if scale is None else scale
        self.report(Comparison(query, key, scale, mask, value, output))


@contextmanager
def doors_wrapped(heard: FirstComparison, doors: frozenset[str]) -> Iterator[None]:
    """For the time of one processor's call, its doors that are not torch's own lead past the listener."""
    xformers = getattr(attention_processor, "xformers", None)
    with ExitStack() as undo:
        if "dispatch_attention_fn" in doors:
            backends = attention_dispatch._AttentionBackendRegistry._backends
            undo.callback(backends.update, dict(backends))
            backends.update({name: heard.backend(function) for name, function in backends.items()})
        if "memory_efficient_attention" in doors and xformers is not None:
            original = xformers.ops.memory_efficient_attention
            undo.callback(setattr, xformers.ops, "memory_efficient_attention", original)
            xformers.ops.memory_efficient_attention = heard.memory_efficient(original)
        with heard:
            yield


def tapped_processor(processor: Any, listener: Listener) -> Any:
    """A processor that runs `processor` unchanged while the listener hears its comparison.

    Its class derives from the processor's and shares its attributes, so whatever diffusers asks of it (its
    class, signature, weights, IP-Adapter scales) is answered as before.
    """
    original: type = type(processor)
    doors = doors_of(original)

    @functools.wraps(original.__call__)
    def call(self: Any, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Any:
        heads = attn.num_heads if hasattr(attn, "num_heads") else attn.heads  # Kandinsky's have the former
        with doors_wrapped(FirstComparison(len(hidden_states), heads, listener), doors):
            return original.__call__(processor, attn, hidden_states, *args, **kwargs)

    heard_by = (listener, *heard_already(processor))
    own = type(original.__name__, (original,), {"__call__": call, "heard_by": heard_by})
    replaced: Any = object.__new__(own)
    object.__setattr__(replaced, "__dict__", processor.__dict__)
    return replaced


def heard_already(processor: Any) -> tuple[Listener, ...]:
    """The listeners that a processor reports to."""
    return getattr(type(processor), "heard_by", ())


@contextmanager
def tapped(listeners: Mapping[nn.Module, Listener]) -> Iterator[Callable[[], None]]:
    """Let each attention module's listener hear its comparisons; put the processors back on the way out.

    Yields a function to call before a pass: it taps processors that were set meanwhile, as guidance by
    perturbed attention does in the middle of a call.
    """
    replaced: list[tuple[nn.Module, Any, Any]] = []

    def tap() -> None:
        for attention, listener in listeners.items():
            original = attention.processor
            if listener not in heard_already(original):
                attention.processor = tapped_processor(original, listener)
                replaced.append((attention, original, attention.processor))

    for attention in listeners:
        check_audible(attention.processor)
    try:
        tap()
        yield tap
    finally:
        for attention, original, own in reversed(replaced):
            if attention.processor is own:  # else it was replaced meanwhile, on purpose
                attention.processor = original


DOORS = frozenset(
    {
        "scaled_dot_product_attention",
        "dispatch_attention_fn",
        "memory_efficient_attention",
        "get_attention_scores",
        "baddbmm",
    }
)


def check_audible(processor: Any) -> None:
    """Refuse a processor whose code, as far as its own modules go, uses none of the doors."""
    kind: type = type(processor)
    if not doors_of(kind):
        raise ValueError(
            f"masks cannot be read from {kind.__name__}: its attention is computed by none of "
            f"{', '.join(sorted(DOORS))}. Set another attention processor, such as AttnProcessor2_0"
        )


@functools.cache
def doors_of(kind: type) -> frozenset[str]:
    """The doors that the code of a processor class names, or functions of its package that it calls do."""
    package = kind.__module__.split(".")[0]
    names: set[str] = set()
    seen: set[types.CodeType] = set()
    todo: list[Any] = [vars(own)["__call__"] for own in kind.__mro__ if "__call__" in vars(own)]
    while todo:
        function = inspect.unwrap(todo.pop())
        code = getattr(function, "__code__", None)
        if code is None or code in seen:
            continue
        seen.add(code)
        used = names_in(code)
        names |= used
        found = (function.__globals__.get(name, getattr(kind, name, None)) for name in used - DOORS)
        todo += [own for own in found if inspect.isfunction(own) and own.__module__.startswith(package)]
    return frozenset(names & DOORS)


def names_in(code: types.CodeType) -> set[str]:
    """The names that a piece of code uses, those of the functions within it included."""
    inner = (own for own in code.co_consts if isinstance(own, types.CodeType))
    return set(code.co_names).union(*map(names_in, inner))
