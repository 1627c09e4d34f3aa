"""OVAM's token optimisation: learn what stands for a class from one annotated generation (CVPR 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusers_attnmask.attention.layers import AttentionLayer, grid_at
from diffusers_attnmask.attention.probabilities import one_image, project_keys, token_probabilities
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.tap import AttentionCall
from diffusers_attnmask.masking.segmenting import denoise_once, encoded_image
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import Ovam
from diffusers_attnmask.methods.daam import daam_map
from diffusers_attnmask.methods.thresholds import IGNORE
from diffusers_attnmask.words.token_embedding import TokenEmbedding

KEPT_STEPS = 8  # evenly spread: their queries are in memory while the embedding is learned
EPSILON = 1e-4  # keeps the logarithms of the loss finite


@dataclass(eq=False)
class QueryRecorder(Recorder):
    """Keeps the queries of one image at some steps, to compare them with any words later."""

    heard: dict[AttentionLayer, list[AttentionCall]] = field(default_factory=dict)

    @torch.no_grad()
    def add(self, layer: AttentionLayer, call: AttentionCall) -> None:
        total = self.total_steps() or self.step + 1
        if self.step in np.linspace(0, total - 1, min(total, KEPT_STEPS)).round():
            self.heard.setdefault(layer, []).append(one_image(call, -1))


class QueryTrace(AttentionTrace):
    recorder_type: ClassVar[type[Recorder]] = QueryRecorder


def optimize_tokens(
    pipe: Any,
    source: Any,
    mask: Any,
    *,
    name: str,
    prompt: str | None = None,
    steps: int = 200,
    lr: float = 0.05,
    strength: float = 0.3,
    generator: torch.Generator | None = None,
    **sampling: Any,
) -> TokenEmbedding:
    """Learn the embedding of the class `name` from one image and its mask (Marcos-Manchón et al., sec. 3.3).

    source: a prompt, sampled once more with the `generator` and the arguments of the annotated generation, or
    the image itself, looked at under `prompt` with noise of `strength`. mask: (H, W) array or PIL picture,
    above 0 where the class is, 255 where that is unknown (in a mask of 0 and 255 alone, 255 is the class).
    """
    target, known = annotation(mask)
    sampled = isinstance(source, str)
    with QueryTrace(pipe, [name], [Ovam()], steps=None if sampled else 1) as traced:
        if sampled:
            pipe(source, generator=generator, output_type="latent", **sampling)
        else:
            latents, size, _ = encoded_image(pipe, source, 1)
            denoise_once(pipe, latents, [prompt or name], size, strength, 1, generator)
    if len(traced.records) != 1:
        raise ValueError(f"one image is needed to learn from, and the call made {len(traced.records)}")
    recorder = traced.recorder
    target, known = (
        F.interpolate(part[None, None], recorder.latent_size, mode="area")[0, 0] for part in (target, known)
    )
    words = recorder.queries[0].words[0]
    start = words.context[[0, words.positions[-1]]].float()  # the start token takes what is not the class
    calls = {layer: stacked(heard) for layer, heard in recorder.heard.items()}
    context = fitted_context(start, calls, target.to(start), known.to(start), steps, lr)
    return TokenEmbedding(name, context.cpu(), (1,))


def annotation(mask: Any) -> tuple[Tensor, Tensor]:
    """Where the class is and where that is known, as 0 and 1: two (H, W)."""
    values = np.asarray(mask)
    if values.ndim != 2 or not (values > 0).any():
        raise ValueError(f"the mask must be (H, W) and mark the class somewhere; it is {values.shape}")
    unknown = (values == IGNORE) & (np.isin(values, (0, IGNORE), invert=True).any())
    return torch.from_numpy((values > 0) & ~unknown).float(), torch.from_numpy(~unknown).float()


def stacked(calls: list[AttentionCall]) -> AttentionCall:
    """The same layer at several steps: query (steps, heads, Q, d)."""
    return replace(calls[0], query=torch.stack([call.query for call in calls]))


def fitted_context(
    start: Tensor,
    calls: Mapping[AttentionLayer, AttentionCall],
    target: Tensor,
    known: Tensor,
    steps: int,
    lr: float,
) -> Tensor:
    """The context (2, D) whose second token attends to the target (h, w), by binary cross-entropy."""
    context = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([context], lr)
    for _ in range(steps):
        with torch.enable_grad():
            attended = token_map(context, calls, tuple(target.shape)).clamp(EPSILON, 1 - EPSILON)
            loss = F.binary_cross_entropy(attended, target, known)
        (context.grad,) = torch.autograd.grad(loss, [context])
        optimizer.step()
    return context.detach()


def token_map(
    context: Tensor, calls: Mapping[AttentionLayer, AttentionCall], latent_size: tuple[int, int]
) -> Tensor:
    """OVAM's map (h, w) of the context's second token."""
    layers = []
    for layer, call in calls.items():
        keys = project_keys(layer.module, context, call.query[0])
        columns = token_probabilities(replace(call, key=keys, mask=None), [1]).mean(0)
        layers.append(columns.unflatten(-1, grid_at(latent_size, layer.level)))
    return daam_map(layers, latent_size)[0]
