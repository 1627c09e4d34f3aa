"""What the denoiser sees at each step: a function of the seed and the step alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from diffusers import DDIMScheduler
from torch.nn.attention import SDPBackend

from diffusers_attnmask.ground.options import Count, Share, options
from tiny_world.training.caption_facts import CaptionFacts, read_facts


@options
class Phase:
    """Steps at one image size (pixels); ``lone`` is the share of pictures with a single object."""

    size: Count
    steps: Count
    batch: Count
    lone: Share = 0.45

    @property
    def attention(self) -> SDPBackend:
        """On a CPU whole matrices train a fifth faster while rows are short; long rows go block by block."""
        return SDPBackend.MATH if self.size < 128 else SDPBackend.FLASH_ATTENTION


@dataclass(frozen=True)
class Batch:
    """Noisy latents and the velocity to predict (B, 4, h, w), timesteps (B,), tokens (B, L).

    ``readable`` (B, L) is False for tokens that the denoiser must do without. ``facts`` are the captions';
    ``captioned`` (B,) is False where the caption was left out.
    """

    noisy: torch.Tensor
    velocity: torch.Tensor
    timesteps: torch.Tensor
    tokens: torch.Tensor
    readable: torch.Tensor
    facts: CaptionFacts
    captioned: torch.Tensor

    def share(self, rank: int, processes: int) -> Batch:
        """One process's part: drawn for the whole batch, so any number of processes trains alike."""
        mine = slice(rank, None, processes)
        return Batch(**{field.name: getattr(self, field.name)[mine] for field in fields(self)})


@dataclass(frozen=True)
class Batches:
    """latents: size → float16 (N, 4, h, w); tokens (N, L) of the captions and (1, L) of the empty one.

    empty_captions and hidden_endings are shares of the pictures: of those trained without a caption, and of
    those of which only the words' own tokens are read. What follows them tells the whole sentence, too; words
    that are not needed are not looked at, and give no masks.
    """

    latents: Mapping[int, torch.Tensor]
    captions: Sequence[str]
    tokens: torch.Tensor
    empty: torch.Tensor
    scheduler: DDIMScheduler
    empty_captions: float
    hidden_endings: float
    noisiness: float

    @cached_property
    def facts(self) -> CaptionFacts:
        return read_facts(self.captions)

    @cached_property
    def groups(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Indices of the pictures with one object, and of those with several."""
        lone = self.facts.number == 1
        return lone.nonzero()[:, 0], (~lone).nonzero()[:, 0]

    def draw(self, phase: Phase, generator: torch.Generator) -> Batch:
        chosen = self.choose(phase, generator)
        clean = self.latents[phase.size][chosen].float()
        dropped, hidden = (
            torch.rand(phase.batch, 1, generator=generator) < share
            for share in (self.empty_captions, self.hidden_endings)
        )
        tokens = torch.where(dropped, self.empty, self.tokens[chosen])
        noise = torch.randn(clean.shape, generator=generator)
        steps = self.scheduler.config.num_train_timesteps
        timesteps = spread_timesteps(phase.batch, steps, self.noisiness, generator)
        noisy, velocity = self.noised(clean, noise, timesteps)
        return Batch(
            noisy=noisy,
            velocity=velocity,
            timesteps=timesteps,
            tokens=tokens,
            readable=~(hidden & ends(tokens, self.empty[0, -1])),
            facts=self.facts[chosen],
            captioned=~dropped[:, 0],
        )

    def noised(
        self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents with noise, and the velocity to predict from them; both (B, 4, h, w)."""
        return (
            self.scheduler.add_noise(clean, noise, timesteps),
            self.scheduler.get_velocity(clean, noise, timesteps),
        )

    def choose(self, phase: Phase, generator: torch.Generator) -> torch.Tensor:
        """Indices (B,), the phase's share of them of pictures whose captions name a single object."""
        place = torch.rand(phase.batch, generator=generator)
        alone, crowd = (group[(place * len(group)).long()] for group in self.groups)
        return torch.where(torch.rand(phase.batch, generator=generator) < phase.lone, alone, crowd)


def ends(tokens: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Where the captions (B, L) are over: from the first end token on."""
    return (tokens == end).cumsum(1) > 0


def spread_timesteps(count: int, steps: int, noisiness: float, generator: torch.Generator) -> torch.Tensor:
    """One random timestep in each of ``count`` bins, so that batches vary less than with free draws.

    A noisiness of n makes the density of t proportional to tⁿ⁻¹: shapes are decided at the noisy end.
    """
    uniform = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (uniform ** (1 / noisiness) * steps).long()
