"""A critic of noisy latents: what would a caption say of the picture, as far as its noise lets one see?

It learns from captions alone. The denoiser's guess of the clean picture, with fresh noise on it, should let
the critic read the caption's classes, their number and their colours: outlines, a small part of all pixels,
then weigh as much as they do for whoever looks. The fresh noise hides whatever is not visible from a
distance, so that nothing less than the outline itself convinces the critic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler
from torch import nn
from tqdm import trange

from tiny_world.training import checkpoint
from tiny_world.training.batches import Batch
from tiny_world.training.caption_facts import COUNT, CaptionFacts, read_facts
from tiny_world.training.model import new_scheduler
from tiny_world.training.optimizer import optimizers
from tiny_world.training.schedule import learning_rate

SIDE = 16
NOISIEST = 950  # timestep past which no picture is left to read


def seen(captions: Sequence[str]) -> int:
    """How many of the pictures the critic learns from; the last twentieth tells how well it reads."""
    return len(captions) * 19 // 20


def from_afar(latents: torch.Tensor) -> torch.Tensor:
    """Latents (B, 4, h, w) at the one size that the critic reads."""
    return F.adaptive_avg_pool2d(latents, SIDE)


class Residual(nn.Module):
    """Two convolutions beside a shortcut; the noise level shifts what lies between them."""

    def __init__(self, width: int, level: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(8, width) for _ in range(2))
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.shift = nn.Linear(level, width)

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        inner = self.convolutions[0](F.silu(self.norms[0](x))) + self.shift(level)[:, :, None, None]
        return x + self.convolutions[1](F.silu(self.norms[1](inner)))


class Critic(nn.Module):
    """Noisy latents (B, 4, h, w) and their share of noise (B,) to one logit per fact (B, COUNT)."""

    def __init__(self, widths: Sequence[int] = (48, 96, 160), level: int = 64) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, widths[0], 3, padding=1)
        self.embed = nn.Sequential(nn.Linear(1, level), nn.SiLU(), nn.Linear(level, level), nn.SiLU())
        self.stages = nn.ModuleList(Residual(width, level) for width in widths)
        self.narrowings = nn.ModuleList(nn.Conv2d(*pair, 3, stride=2, padding=1) for pair in pairwise(widths))
        self.last = Residual(widths[-1], level)
        self.out_embed = nn.Linear(2 * widths[-1], COUNT)

    def forward(self, noisy: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        level = self.embed(share[:, None])
        x = self.conv_in(noisy)
        for index, stage in enumerate(self.stages):
            x = self.narrowings[index - 1](x) if index else x
            x = stage(x, level)
        x = F.silu(self.last(x, level))
        return self.out_embed(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


def mixed(
    clean: torch.Tensor, scheduler: DDIMScheduler, timesteps: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents with fresh noise of the timesteps (B,), and the noise's share (B,) in them."""
    noise = torch.randn(clean.shape, generator=generator)
    return scheduler.add_noise(clean, noise, timesteps), (1 - scheduler.alphas_cumprod[timesteps]).sqrt()


def legibility(
    critic: Critic, batch: Batch, clean: torch.Tensor, scheduler: DDIMScheduler, generator: torch.Generator
) -> torch.Tensor:
    """How badly the critic reads the captions' facts (a loss) in a guess of the clean pictures (B, 4, h, w).

    The fresh noise has a random share of the noise that the denoiser itself had before it.
    """
    timesteps = (batch.timesteps * torch.rand(len(clean), generator=generator)).long()
    noisy, share = mixed(from_afar(clean), scheduler, timesteps, generator)
    return misread(critic(noisy, share), batch.facts)[batch.captioned].mean()


def misread(logits: torch.Tensor, facts: CaptionFacts) -> torch.Tensor:
    """The weighted cross-entropy (B,) of what was read."""
    losses = F.binary_cross_entropy_with_logits(logits.float(), facts.said, reduction="none")
    return (losses * facts.weight).sum(1)


def train_critic(
    latents: Mapping[int, torch.Tensor],
    captions: Sequence[str],
    scheduler: DDIMScheduler,
    steps: int,
    batch: int = 64,
    rate: float = 2e-3,
) -> Critic:
    """A critic of latents of every size: size → (N, 4, h, w)."""
    torch.manual_seed(0)
    facts = read_facts(captions)
    critic = Critic().to(memory_format=torch.channels_last)
    both = optimizers(critic, rate, 0.01)
    generator = torch.Generator().manual_seed(0)
    bar = trange(steps, desc="critic", mininterval=10)
    for step in bar:
        chosen = torch.randint(seen(captions), (batch,), generator=generator)
        timesteps = (torch.rand(batch, generator=generator) * NOISIEST).long()
        clean = from_afar(latents[sorted(latents)[step % len(latents)]][chosen].float())
        noisy, share = mixed(clean, scheduler, timesteps, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = critic(noisy, share)
        loss = misread(logits, facts[chosen]).mean()
        critic.zero_grad()
        loss.backward()
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps, rate)
            optimizer.step()
        if step % 100 == 99:
            bar.set_postfix(loss=f"{loss.item():.3f}")
    return critic


@torch.no_grad()
def share_read(
    critic: Critic, latents: torch.Tensor, captions: Sequence[str], scheduler: DDIMScheduler, timestep: int
) -> float:
    """Of the pictures (N, 4, h, w) with noise of a timestep, the share whose facts are all read right."""
    timesteps = torch.full((len(latents),), timestep)
    generator = torch.Generator().manual_seed(0)
    noisy, share = mixed(from_afar(latents.float()), scheduler, timesteps, generator)
    facts = read_facts(captions)
    right = ((critic(noisy, share) > 0) == (facts.said > 0)) | (facts.weight == 0)
    return right.all(1).float().mean().item()


def prepare_critic(folder: Path, steps: int) -> None:
    """Train once, on ``folder/examples.pt``, and keep in ``folder/critic.pt``."""
    if (folder / "critic.pt").exists():
        return
    examples = checkpoint.load(folder / "examples.pt")
    latents, captions = examples["latents"], examples["captions"]
    critic = train_critic(latents, captions, new_scheduler(), steps)
    checkpoint.save(folder / "critic.pt", critic.state_dict())
    unseen = slice(seen(captions), None)
    for timestep in (0, 500, 800):
        read = share_read(critic, latents[min(latents)][unseen], captions[unseen], new_scheduler(), timestep)
        print(f"critic: at timestep {timestep}, {read:.3f} of unseen pictures read right", flush=True)


def load_critic(folder: Path) -> Critic:
    critic = Critic()
    critic.load_state_dict(checkpoint.load(folder / "critic.pt"))
    return critic.to(memory_format=torch.channels_last).eval().requires_grad_(False)
