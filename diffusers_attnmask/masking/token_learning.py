"""OVAM's token optimisation: learn what stands for a class from one annotated generation (CVPR 2024)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from diffusers_attnmask.attention.look import Look
from diffusers_attnmask.attention.probabilities import column_probabilities, project_keys, row_logsumexp
from diffusers_attnmask.attention.readings import Reading
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.attention.token_query import QueryBatch
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.images import rgb_images
from diffusers_attnmask.ground.options import LearningRate, Share, options
from diffusers_attnmask.masking.segmenting import denoise_once, encoded_images
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import Ovam
from diffusers_attnmask.methods.daam import daam_map
from diffusers_attnmask.methods.maps import min_max
from diffusers_attnmask.words.token_embedding import TokenEmbedding

KEPT_STEPS = 8  # evenly spread: their queries are in memory while the embedding is learned
EPSILON = 1e-4  # keeps the logarithms of the loss finite


@dataclass(frozen=True, eq=False)
class SiteQueries:
    """A cross-attention site and the queries of one image that it compared with text: (steps, heads, Q,
    d).
    """

    site: Site
    query: Tensor
    scale: float


class KeptQueries:
    """The queries of one site at several steps, as they come."""

    def __init__(self) -> None:
        self.steps: list[SiteQueries] = []

    def add(self, value: SiteQueries) -> None:
        self.steps.append(value)

    @property
    def nbytes(self) -> int:
        return sum(own.query.nbytes for own in self.steps)

    def stacked(self) -> SiteQueries:
        return replace(self.steps[0], query=torch.cat([own.query for own in self.steps]))


@dataclass(frozen=True)
class QueryReading(Reading):
    """The image's queries at some steps, evenly spread, to compare them with any words later."""

    def wants(self, site: Site) -> bool:
        return site.kind == "cross"

    def key(self, site: Site) -> Hashable:
        return QueryReading, site.name

    def value(self, look: Look, queries: QueryBatch) -> SiteQueries:
        return SiteQueries(look.site, look.query.clone(), look.scale)

    def start(self) -> KeptQueries:
        return KeptQueries()

    def covers_step(self, step: int, total: int) -> bool:
        return step in np.linspace(0, total - 1, min(total, KEPT_STEPS)).round()


@options(kw_only=True)
class TokenLearning:
    """Options of `optimize_tokens`, which explains them; checked as they are made."""

    steps: Annotated[int, Field(ge=1, le=100_000)]
    lr: LearningRate
    strength: Share


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
    uint8, above 0 where the class is, 255 where that is unknown (in a mask of 0 and 255 alone, 255 is the
    class). Returns a `TokenEmbedding`, which is a phrase of a class in calls by `ovam`.
    """
    target, known = annotation(mask)
    TokenLearning(steps=steps, lr=lr, strength=strength)
    sampled = isinstance(source, str)
    if not sampled:
        _check_size(target, *rgb_images(source)[0].shape[-2:])
    reading, method = QueryReading(), Ovam()
    with AttentionTrace(pipe, [name], [method], steps=None if sampled else 1, extra=[reading]) as traced:
        if sampled:
            pipe(source, generator=generator, output_type="latent", **sampling)
        else:
            seen = encoded_images(pipe, source, 1)
            denoise_once(pipe, seen.latents, [prompt or name], seen.size, strength, 1, generator)
    if len(traced.records) != 1:
        raise ValueError(f"one image is needed to learn from, and the call made {len(traced.records)}")
    if sampled:
        _check_size(target, *traced.records[0].image_size)
    recorder = traced.recorders[0]
    target, known = (
        F.interpolate(part[None, None], recorder.latent_size, mode="area")[0, 0] for part in (target, known)
    )
    words = recorder.queries[0].words[0]
    start = words.context[[0, words.positions[-1]]].float()  # the start token takes what is not the class
    read = [site for site in recorder.sites if method.reading(recorder.sites).covers(site)]
    kept = [mean for site in read if isinstance(mean := recorder.means[reading.key(site)], KeptQueries)]
    queries = [own.stacked() for own in kept]
    context = fitted_context(start, queries, target.to(start), known.to(start), steps, lr)
    return TokenEmbedding(name, context.cpu(), (1,))


def _check_size(target: Tensor, height: int, width: int) -> None:
    if tuple(target.shape) != (height, width):
        raise ValueError(
            f"the mask is {target.shape[1]}×{target.shape[0]} pixels, the image {width}×{height}: resize the "
            "mask to the image, by its nearest pixels"
        )


def annotation(mask: Any) -> tuple[Tensor, Tensor]:
    """Where the class is and where that is known, as 0 and 1: two (H, W)."""
    values = np.asarray(mask)
    if values.ndim != 2 or not (values > 0).any():
        raise ValueError(f"the mask must be (H, W) and mark the class somewhere; it is {values.shape}")
    unknown = (values == IGNORE_ID) & (np.isin(values, (0, IGNORE_ID), invert=True).any())
    return torch.from_numpy((values > 0) & ~unknown).float(), torch.from_numpy(~unknown).float()


def fitted_context(
    start: Tensor,
    queries: Sequence[SiteQueries],
    target: Tensor,
    known: Tensor,
    steps: int,
    lr: float,
) -> Tensor:
    """The context (2, D) whose second token attends to the target (h, w), by binary cross-entropy.

    Its map is stretched to [0, 1] first, as in the masks that it is learned for and in OVAM's own code: what
    counts is how places compare, not how much of their attention the token has.
    """
    context = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([context], lr)
    for _ in range(steps):
        with torch.enable_grad():
            attended = token_map(context, queries, (target.shape[0], target.shape[1]))
            attended = min_max(attended).clamp(EPSILON, 1 - EPSILON)
            loss = F.binary_cross_entropy(attended, target, known)
        (context.grad,) = torch.autograd.grad(loss, [context])
        optimizer.step()
    return context.detach()


def token_map(context: Tensor, queries: Sequence[SiteQueries], latent_size: tuple[int, int]) -> Tensor:
    """OVAM's map (h, w) of the context's second token."""
    layers = []
    for own in queries:
        heads = own.query.shape[1]
        keys = project_keys(own.site.module, context[None].to(own.query), heads)
        keys = keys.expand(len(own.query), -1, -1, -1)
        logsumexp = row_logsumexp(own.query, keys, own.scale)
        columns = column_probabilities(own.query, keys[:, :, 1:], logsumexp, own.scale).mean(0)[:, 0]
        layers.append(columns.unflatten(-1, grid_at(latent_size, own.site.stride))[:, None])
    return daam_map(layers, latent_size)[0]
