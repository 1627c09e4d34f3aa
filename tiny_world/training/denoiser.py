"""Stage 2: the denoising UNet and its text encoder, trained together on latents and captions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler
from torch.nn.attention import sdpa_kernel
from tqdm import trange

from diffusers_attnmask.ground.options import Count, NotNegative, Positive, Seed, Share, Whole, options
from tiny_world.training import checkpoint, parallel
from tiny_world.training.batches import Batch, Batches, Phase
from tiny_world.training.course import Course, Training
from tiny_world.training.critic import legibility, load_critic, prepare_critic
from tiny_world.training.examples import prepare_examples
from tiny_world.training.model import Denoiser, load_weights, new_scheduler, new_unet, save_pipeline
from tiny_world.training.text import learn_tokenizer, load_tokenizer, new_text_encoder, tokenize


@options
class DenoiserRecipe(Course):
    # What words mean is learnt at half size, where a sample costs a quarter; then the outlines at full size.
    phases: tuple[Phase, ...] = (
        Phase(64, 3800, 64, lone=0.5),
        Phase(128, 1300, 32, lone=0.45),
        Phase(128, 1500, 32, lone=0.35),
        Phase(128, 2400, 32, lone=0.35),
    )
    learning_rate: NotNegative = 1e-3
    rests: tuple[Whole, ...] = (5100, 6600)
    empty_captions: Share = 0.1
    hidden_endings: Share = 0.5
    noisiness: Positive = 2.0
    legibility: NotNegative = 0.1  # weight of what the critic says beside the squared error
    critic_steps: Whole = 1800
    images: Count = 24000
    first_seed: Seed = 100_000


def train_denoiser(
    folder: Path, recipe: DenoiserRecipe = DenoiserRecipe(), start_from: Path | None = None
) -> None:
    """Train, or go on training; every 500 steps a checkpoint and the pipeline as it is.

    start_from: a pipeline folder whose tokenizer is kept, and whose weights a new training begins with.
    """
    rank, processes = parallel.join()
    if rank == 0:
        prepare_examples(folder, recipe.images, recipe.first_seed, {phase.size for phase in recipe.phases})
        prepare_critic(folder, recipe.critic_steps)
    parallel.wait()
    examples = checkpoint.load(folder / "examples.pt")
    captions = examples["captions"]
    torch.manual_seed(recipe.seed)
    tokenizer = load_tokenizer(start_from) if start_from else learn_tokenizer(captions)
    batches = Batches(
        latents=examples["latents"],
        captions=captions,
        tokens=tokenize(tokenizer, captions),
        empty=tokenize(tokenizer, [""]),
        scheduler=new_scheduler(),
        empty_captions=recipe.empty_captions,
        hidden_endings=recipe.hidden_endings,
        noisiness=recipe.noisiness,
    )
    model = Denoiser(new_unet(), new_text_encoder(tokenizer)).to(memory_format=torch.channels_last)
    if start_from is not None:
        load_weights(model, start_from)
    critic = load_critic(folder)
    training = Training.begin(model, recipe)
    training.resume(folder / "denoiser.pt")
    recent: list[tuple[float, float]] = []
    bar: dict[str, Any] = {
        "desc": "denoiser",
        "initial": training.done,
        "total": recipe.steps,
        "mininterval": 10,
    }
    for step in trange(training.done, recipe.steps, disable=rank > 0, **bar):
        generator, phase = recipe.draws(step), recipe.phase_at(step)
        batch = batches.draw(phase, generator).share(rank, processes)
        with sdpa_kernel(phase.attention), torch.autocast("cpu", torch.bfloat16):
            velocity = model(batch.noisy, batch.timesteps, batch.tokens, batch.readable).float()
            error = F.mse_loss(velocity, batch.velocity)
            clean = clean_guess(batch, velocity, batches.scheduler)
            unread = legibility(critic, batch, clean, batches.scheduler, generator)
        training.learn(error + recipe.legibility * unread, recipe.rate_at(step))
        recent.append((error.item(), unread.item()))
        if rank > 0:
            continue
        if training.done % 100 == 0:
            means = np.mean(recent[-100:], axis=0)
            print(f"step {training.done}: error {means[0]:.4f}, unread {means[1]:.4f}", flush=True)
        if training.done % 500 == 0 or training.done == recipe.steps:
            training.save(folder / "denoiser.pt")
            save_pipeline(folder, tokenizer, training.averaged)
    parallel.wait()


def clean_guess(batch: Batch, velocity: torch.Tensor, scheduler: DDIMScheduler) -> torch.Tensor:
    """What a velocity says the clean latents (B, 4, h, w) are."""
    kept = scheduler.alphas_cumprod[batch.timesteps][:, None, None, None]
    return kept.sqrt() * batch.noisy - (1 - kept).sqrt() * velocity
