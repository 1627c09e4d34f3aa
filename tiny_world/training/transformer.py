"""A small SD3, trained by flow matching: ``python -m tiny_world.training.transformer --out DIR``.

Autoencoder, tokenizer and the first weights of the text encoders are the bundled model's; mmdit.py tells how
they are wired. As with the UNet, no mask enters, words are learnt on half-size pictures, and a critic of
noisy latents reads what is predicted. ``DIR/pipeline`` is a StableDiffusion3Pipeline at every checkpoint.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch.nn.attention import sdpa_kernel
from tqdm import trange

from diffusers_attnmask.ground.options import Count, NotNegative, Positive, Seed, Share, Whole, options
from tiny_world.scene import SIZE
from tiny_world.training import checkpoint, parallel
from tiny_world.training.batches import Batch, Batches, Phase
from tiny_world.training.course import Course, Training
from tiny_world.training.critic import legibility, load_critic, prepare_critic
from tiny_world.training.data import rendered
from tiny_world.training.examples import save_examples
from tiny_world.training.mmdit import (
    ENDS,
    MMDiT,
    load_tokenizer,
    load_weights,
    new_text_encoders,
    new_transformer,
    save_pipeline,
    space_patches,
)
from tiny_world.training.model import new_scheduler
from tiny_world.training.text import tokenize


@options
class TransformerRecipe(Course):
    phases: tuple[Phase, ...] = (Phase(64, 3000, 64, lone=0.5), Phase(128, 3400, 16, lone=0.35))
    learning_rate: NotNegative = 2e-3
    empty_captions: Share = 0.1
    hidden_endings: Share = 0.5
    noisiness: Positive = 2.0
    most_zeros: Count = 512  # behind the words; their number's logarithm is drawn evenly
    legibility: NotNegative = 0.1  # weight of what the critic says beside the squared error
    legible_from: Whole = 600  # step, before which there is nothing to read
    critic_steps: Whole = 1800
    images: Count = 24000
    first_seed: Seed = 100_000


@dataclass(frozen=True)
class FlowBatches(Batches):
    """Straight ways from pictures to noise; a timestep is the one of as much noise in ``scheduler``."""

    def levels(self, timesteps: torch.Tensor) -> torch.Tensor:
        """The noise's part (B,) in full-size latents."""
        kept = self.scheduler.alphas_cumprod[timesteps]
        return (1 - kept).sqrt() / (kept.sqrt() + (1 - kept).sqrt())

    def noised(
        self, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        part = own_levels(self.levels(timesteps), clean)
        return clean + part * (noise - clean), noise - clean


def own_levels(levels: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
    """The noise's part (B, 1, 1, 1) in latents of any size that are as hard to see as full-size ones.

    Shrinking a picture to half averages four noises, so that half of their size hides as much.
    """
    shrinkage = SIZE // 4 / latents.shape[-1]
    return (levels / (levels + shrinkage * (1 - levels)))[:, None, None, None]


def clean_guess(batch: Batch, velocity: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """What a velocity says the clean latents (B, 4, h, w) are."""
    return batch.noisy - own_levels(levels, batch.noisy) * velocity


def train_transformer(
    folder: Path,
    bundled: Path,
    recipe: TransformerRecipe = TransformerRecipe(),
    start_from: Path | None = None,
    save_every: int = 100,
) -> None:
    """Train, or go on training; every ``save_every`` steps a checkpoint and the pipeline as it is.

    bundled: pipeline folder of the frozen parts. start_from: one whose weights a new training begins with.
    """
    rank, processes = parallel.join()
    if rank == 0:
        prepare_latents(folder, bundled, recipe)
        prepare_critic(folder, recipe.critic_steps)
    parallel.wait()
    examples = checkpoint.load(folder / "examples.pt")
    captions = examples["captions"]
    tokenizer = load_tokenizer(bundled)
    batches = FlowBatches(
        latents=examples["latents"],
        captions=captions,
        tokens=tokenize(tokenizer, captions),
        empty=tokenize(tokenizer, [""]),
        scheduler=new_scheduler(),
        empty_captions=recipe.empty_captions,
        hidden_endings=recipe.hidden_endings,
        noisiness=recipe.noisiness,
    )
    torch.manual_seed(recipe.seed)
    model = MMDiT(new_transformer(), new_text_encoders(bundled))
    if start_from is not None:
        load_weights(model, start_from)
    training = Training.begin(model, recipe, ENDS)
    training.resume(folder / "transformer.pt")
    critic = load_critic(folder)
    recent: list[tuple[float, float]] = []
    bar: dict[str, Any] = {
        "desc": "transformer",
        "initial": training.done,
        "total": recipe.steps,
        "mininterval": 10,
    }
    for step in trange(training.done, recipe.steps, disable=rank > 0, **bar):
        generator, phase = recipe.draws(step), recipe.phase_at(step)
        batch = batches.draw(phase, generator).share(rank, processes)
        levels = batches.levels(batch.timesteps)
        zeros = int(recipe.most_zeros ** torch.rand((), generator=generator))
        space_patches(model.transformer, SIZE / phase.size)
        with sdpa_kernel(phase.attention), torch.autocast("cpu", torch.bfloat16):
            velocity = model(batch.noisy, levels, batch.tokens, batch.readable, zeros).float()
            loss = error = F.mse_loss(velocity, batch.velocity)
            unread = torch.zeros(())
            if step >= recipe.legible_from:
                clean = clean_guess(batch, velocity, levels)
                unread = legibility(critic, batch, clean, batches.scheduler, generator)
                loss = error + recipe.legibility * unread
        training.learn(loss, recipe.rate_at(step))
        recent.append((error.item(), unread.item()))
        if rank > 0:
            continue
        if training.done % 20 == 0:
            means = np.mean(recent[-20:], axis=0)
            print(f"step {training.done}: error {means[0]:.4f}, unread {means[1]:.4f}", flush=True)
        if training.done % save_every == 0 or training.done == recipe.steps:
            training.save(folder / "transformer.pt")
            save_pipeline(folder / "pipeline", bundled, training.averaged)
    parallel.wait()


def prepare_latents(folder: Path, bundled: Path, recipe: TransformerRecipe) -> None:
    """Render and encode once: ``folder/examples.pt``, by the bundled autoencoder as it is."""
    path = folder / "examples.pt"
    if path.exists():
        return
    images, captions = rendered(recipe.images, recipe.first_seed)
    vae = AutoencoderKL.from_pretrained(bundled / "vae")
    save_examples(path, vae, images, captions, {phase.size for phase in recipe.phases})


def main() -> None:
    from diffusers_attnmask import bundled_model

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and of the pipeline")
    parser.add_argument("--start-from", type=Path, help="pipeline folder whose weights a new training takes")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    train_transformer(options.out, bundled_model(), start_from=options.start_from)


if __name__ == "__main__":
    main()
