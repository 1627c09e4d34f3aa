"""What recording commonly is: explicit softmax, and every map of every step kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

LARGEST_KEPT = 32 * 32  # full recorders leave the 4096 × 4096 self-attention out


class FullRecording:
    """An attention processor that keeps the means over heads of all its maps."""

    def __init__(self) -> None:
        self.kept: list[Tensor] = []

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query, key, value = (
            attn.head_to_batch_dim(project(states))
            for project, states in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
        )
        probabilities = attn.get_attention_scores(query, key, attention_mask)  # (B * heads, Q, K)
        if encoder_hidden_states is not None or query.shape[1] <= LARGEST_KEPT:
            conditional = probabilities.unflatten(0, (-1, attn.heads)).chunk(2)[-1]
            self.kept.append(conditional.mean(1))
        return attn.to_out[0](attn.batch_to_head_dim(probabilities @ value))

    @property
    def nbytes(self) -> int:
        return sum(own.nbytes for own in self.kept)


@contextmanager
def fully_recorded(unet: Any) -> Iterator[list[FullRecording]]:
    """Within, all attention of a UNet is recorded in full."""
    before = dict(unet.attn_processors)
    recordings = {name: FullRecording() for name in before}
    unet.set_attn_processor(dict(recordings))
    try:
        yield list(recordings.values())
    finally:
        unet.set_attn_processor(before)
