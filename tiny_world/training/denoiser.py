"""Stage 2: the denoising UNet and its text encoder, trained together on latents and captions.

v-prediction on a cosine schedule with zero terminal signal, so that the overall colour is learnt with the
rest; timesteps spread evenly over each batch; a moving average of the weights is what is sampled and shipped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from tqdm import trange
from transformers import CLIPTokenizer

from tiny_world.training import checkpoint, parallel
from tiny_world.training.examples import prepare_examples
from tiny_world.training.schedule import learning_rate
from tiny_world.training.text import WIDTH, learn_tokenizer, new_text_encoder, tokenize


@dataclass(frozen=True)
class Phase:
    """Steps at one image size (pixels)."""

    size: int
    steps: int
    batch: int


@dataclass(frozen=True)
class DenoiserRecipe:
    # What words mean is learnt at half size, where a sample costs a fifth; then the outlines at full size.
    phases: tuple[Phase, ...] = (Phase(64, 2000, 32), Phase(128, 3000, 16))
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    empty_captions: float = 0.1
    average: float = 0.999
    images: int = 16000
    first_seed: int = 100_000
    seed: int = 0

    @property
    def steps(self) -> int:
        return sum(phase.steps for phase in self.phases)

    def phase_at(self, step: int) -> Phase:
        for phase in self.phases:
            if step < phase.steps:
                return phase
            step -= phase.steps
        raise IndexError(f"the recipe has {self.steps} steps")


def new_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(48, 128, 160),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D",) * 3,
        cross_attention_dim=WIDTH,
        attention_head_dim=(1, 2, 4),  # heads per level: few where rows are long, whose cost is the softmax
        norm_num_groups=16,
    )


def new_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
        clip_sample=False,
    )


def spread_timesteps(count: int, steps: int, generator: torch.Generator) -> torch.Tensor:
    """One random timestep in each of ``count`` bins, so that batches vary less than with free draws.

    The bins are narrower towards the noisy end, where shapes and places are decided.
    """
    uniform = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    return (uniform**0.75 * steps).long()


class Denoiser(torch.nn.Module):
    """UNet and text encoder as one module, so that one optimiser and one average hold both."""

    def __init__(self, unet: UNet2DConditionModel, text_encoder: torch.nn.Module) -> None:
        super().__init__()
        self.unet, self.text_encoder = unet, text_encoder

    def forward(self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        return self.unet(noisy, timesteps, self.text_encoder(tokens)[0]).sample


def train_denoiser(folder: Path, recipe: DenoiserRecipe = DenoiserRecipe()) -> None:
    """Train, or go on training; every 500 steps a checkpoint and the pipeline as it is."""
    rank, processes = parallel.join()
    if rank == 0:
        prepare_examples(folder, recipe.images, recipe.first_seed, {phase.size for phase in recipe.phases})
    parallel.wait()
    examples = checkpoint.load(folder / "examples.pt")
    latents, captions = examples["latents"], examples["captions"]
    torch.manual_seed(recipe.seed)
    tokenizer = learn_tokenizer(captions)
    tokens, empty = tokenize(tokenizer, captions), tokenize(tokenizer, [""])
    model = Denoiser(new_unet(), new_text_encoder(tokenizer)).to(memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    )
    optimizer = torch.optim.AdamW(
        model.parameters(),
        recipe.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    state, first = checkpoint.load(folder / "denoiser.pt"), 0
    if state:
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    scheduler = new_scheduler()
    losses: list[float] = []
    mine = slice(
        rank, None, processes
    )  # drawn for the whole batch, so that any number of processes trains alike
    for step in trange(
        first,
        recipe.steps,
        initial=first,
        total=recipe.steps,
        desc="denoiser",
        mininterval=10,
        disable=rank > 0,
    ):
        generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        phase = recipe.phase_at(step)
        chosen = torch.randint(len(tokens), (phase.batch,), generator=generator)
        clean = latents[phase.size][chosen].float()
        dropped = torch.rand(phase.batch, 1, generator=generator) < recipe.empty_captions
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = spread_timesteps(phase.batch, scheduler.config.num_train_timesteps, generator)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        said = torch.where(dropped, empty, tokens[chosen])
        with torch.autocast("cpu", torch.bfloat16):
            prediction = model(noisy[mine], timesteps[mine], said[mine])
        loss = F.mse_loss(prediction.float(), scheduler.get_velocity(clean, noise, timesteps)[mine])
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, recipe.steps, recipe.learning_rate)
        optimizer.zero_grad()
        loss.backward()
        parallel.average_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        losses.append(loss.item())
        done = step + 1
        if rank > 0:
            continue
        if done % 100 == 0:
            print(f"step {done} loss {np.mean(losses[-100:]):.4f}", flush=True)
        if done % 500 == 0 or done == recipe.steps:
            states = {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
            }
            checkpoint.save(folder / "denoiser.pt", {**states, "step": done})
            save_pipeline(folder, tokenizer, average.module)
    parallel.wait()


def save_pipeline(folder: Path, tokenizer: CLIPTokenizer, denoiser: Denoiser) -> None:
    """Write ``folder/pipeline`` in half precision, for anyone to load in the precision they ask for."""
    unet, text_encoder = new_unet(), new_text_encoder(tokenizer)
    unet.load_state_dict(denoiser.unet.state_dict())
    text_encoder.load_state_dict(denoiser.text_encoder.state_dict())
    pipe = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(folder / "vae"),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(torch.float16)
    pipe.save_pretrained(folder / "pipeline")
    # transformers loads in the precision that the config names, diffusers in single precision: they agree so.
    config = folder / "pipeline" / "text_encoder" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dtype": "float32"}, indent=2) + "\n")
