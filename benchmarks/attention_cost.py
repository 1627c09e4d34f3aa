"""What recording costs: plain steps and recorded steps of an SD-1.5-size UNet, taken in turns.

    python -m benchmarks.attention_cost --repeats 5 --json attention_cost.json

The weights are random, since time and memory do not depend on them. Every recorded step stands between two
plain ones and is compared with their mean, so that a ratio compares neighbours in time; the table gives
medians, and the processor seconds of a step that passed inside the recorder. Making the masks comes once per
generation: its seconds stand apart, and the last column adds them to `--steps` steps. `every map, kept` is
what recording commonly is: explicit softmax, all cross-attention and all self-attention maps up to 32x32,
averaged over heads, for every step.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from unittest.mock import patch

import torch
import typer
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from benchmarks.report import report
from diffusers_attnmask import bundled_model, trace
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison

PROMPT = "a star and a fish"
CLASSES = ["star", "fish"]
METHODS = ("diffumask", "daam", "dataset-diffusion")
PLAIN, FULL = "plain", "every map, kept"
SD15_UNET = {  # the published configuration of Stable Diffusion 1.5
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
LARGEST_KEPT = 32 * 32  # full recorders leave the 4096 × 4096 self-attention out
MIB = 2**20


class FullRecording:
    """The attention processor of a full recorder: explicit softmax, and every map of every step kept."""

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


def small_pipeline_around_sd15_unet(dtype: torch.dtype, device: str) -> StableDiffusionPipeline:
    """The UNet is of full size; text encoder and autoencoder are as small as its inputs allow."""
    names = CLIPTokenizer.from_pretrained(bundled_model(), subfolder="tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(names),
        hidden_size=768,
        intermediate_size=768,
        num_hidden_layers=1,
        num_attention_heads=12,
        bos_token_id=names.bos_token_id,
        eos_token_id=names.eos_token_id,
    )
    autoencoder = AutoencoderKL(
        block_out_channels=(8,) * 4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=8,
    )
    pipe = StableDiffusionPipeline(
        vae=autoencoder,
        text_encoder=CLIPTextModel(text),
        tokenizer=names,
        unet=unet_of_random_weights(),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device, dtype)


def unet_of_random_weights() -> UNet2DConditionModel:
    """Quicker than the usual initialisation of 860 million weights."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**SD15_UNET)
    unet.to_empty(device="cpu")
    torch.manual_seed(0)
    for weights in unet.parameters():
        weights.data.uniform_(-0.03, 0.03)
    return unet.eval()


def timed(work: Callable[[], object], device: str) -> float:
    """Seconds of the processor on a CPU, which other programs do not lengthen; of the clock elsewhere."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    synchronize(device)
    start = clock()
    work()
    synchronize(device)
    return clock() - start


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def plain_step(pipe: StableDiffusionPipeline, size: int) -> None:
    pipe(PROMPT, num_inference_steps=1, guidance_scale=7.5, height=size, width=size, output_type="latent")


@dataclass(frozen=True)
class Step:
    """Seconds of one step, of the recorder within it, and of making its masks; bytes of recorded state."""

    seconds: float
    recording: float = 0.0
    making: float = 0.0
    nbytes: int = 0


def taken_step(pipe: StableDiffusionPipeline, kind: str, size: int, device: str) -> Step:
    if kind == PLAIN:
        return Step(timed(lambda: plain_step(pipe, size), device))
    if kind == FULL:
        return full_step(pipe, size, device)
    spent: list[float] = []

    def add(self: Recorder, site: Site, comparison: Comparison) -> None:
        start = time.process_time()
        plain_add(self, site, comparison)
        spent.append(time.process_time() - start)

    plain_add = Recorder.add
    with patch.object(Recorder, "add", add), trace(pipe, classes=CLASSES, methods=kind) as recorded:
        seconds = timed(lambda: plain_step(pipe, size), device)
    return Step(seconds, sum(spent), timed(lambda: recorded.masks(), device), recorded.nbytes)


def full_step(pipe: StableDiffusionPipeline, size: int, device: str) -> Step:
    before = dict(pipe.unet.attn_processors)
    recording = {name: FullRecording() for name in before}
    pipe.unet.set_attn_processor(dict(recording))
    try:
        seconds = timed(lambda: plain_step(pipe, size), device)
    finally:
        pipe.unet.set_attn_processor(before)
    return Step(seconds, nbytes=sum(kept.nbytes for one in recording.values() for kept in one.kept))


def summary(kind: str, taken: list[Step], neighbours: list[float], steps: int) -> dict[str, object]:
    """A row of the table; neighbours are the seconds of the plain steps around each step taken."""
    ratios = [step.seconds / plain for step, plain in zip(taken, neighbours, strict=True)]
    ratio = statistics.median(ratios)
    making = statistics.median(step.making for step in taken)
    state = taken[0].nbytes * (steps if kind == FULL else 1)
    return {
        "recording": kind,
        "s/step": statistics.median(step.seconds for step in taken),
        "s in recorder": statistics.median(step.recording for step in taken),
        "x plain": ratio,
        "lowest": min(ratios),
        "highest": max(ratios),
        "masks s": making,
        f"MiB after {steps} steps": state / MIB,
        f"x plain, {steps} steps and masks": ratio + making / (steps * statistics.median(neighbours)),
    }


def main(
    repeats: Annotated[int, typer.Option(min=1, help="Steps of each kind; medians are taken over them.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps per generation, for the last columns.")] = 30,
    size: Annotated[int, typer.Option(help="Height and width in pixels.")] = 512,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    full: Annotated[bool, typer.Option(help="Also measure keeping every map.")] = True,
    json: Annotated[Path | None, typer.Option(help="Where to write the rows.")] = None,
) -> None:
    """Time plain and recorded sampling steps in turns."""
    pipe = small_pipeline_around_sd15_unet(getattr(torch, dtype), device)
    kinds = [*METHODS, *([FULL] if full else [])]
    plain_step(pipe, size)  # the first step pays for allocations
    taken: dict[str, list[Step]] = {kind: [] for kind in kinds}
    neighbours: dict[str, list[float]] = {kind: [] for kind in kinds}
    before = taken_step(pipe, PLAIN, size, device)
    for repeat in range(repeats):
        for kind in kinds:
            taken[kind].append(taken_step(pipe, kind, size, device))
            after = taken_step(pipe, PLAIN, size, device)
            neighbours[kind].append((before.seconds + after.seconds) / 2)
            before = after
            ratio = taken[kind][-1].seconds / neighbours[kind][-1]
            print(
                f"repeat {repeat + 1}/{repeats}  {kind}: {ratio:.3f} x {neighbours[kind][-1]:.2f} s",
                flush=True,
            )
    settings = {"repeats": repeats, "steps": steps, "size": size, "dtype": dtype, "device": device}
    settings["threads"] = torch.get_num_threads()
    rows = [summary(kind, taken[kind], neighbours[kind], steps) for kind in kinds]
    report("Cost of recording attention, SD-1.5-size UNet", rows, settings, json)


if __name__ == "__main__":
    typer.run(main)
