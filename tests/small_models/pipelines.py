"""Whole pipelines of every family, with any scheduler and in any precision."""

import copy
import functools

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    LCMScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from tests.small_models.denoisers import autoencoder, sd15_unet, sd21_unet, sdxl_unet, unet_controlnet
from tests.small_models.pictures import feature_extractor
from tests.small_models.text import text_encoder, tokenizer

SCHEDULERS = {
    "ddim": DDIMScheduler,
    "euler-ancestral": EulerAncestralDiscreteScheduler,
    "dpm++": DPMSolverMultistepScheduler,
    "lcm": LCMScheduler,
}
NOISE_SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


def ddim(**changes):
    return DDIMScheduler(
        **NOISE_SCHEDULE, clip_sample=False, set_alpha_to_one=False, steps_offset=1, **changes
    )


def assembled(pipeline_class, fresh, dtype, scheduler="ddim", schedule=None, **components):
    components = {
        name: part if part is None else of_dtype(part, dtype, fresh) for name, part in components.items()
    }
    pipe = pipeline_class(scheduler=ddim(**(schedule or {})), **components)
    pipe.scheduler = SCHEDULERS[scheduler].from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@functools.cache
def converted(part, dtype):
    return copy.deepcopy(part).to(dtype)


def of_dtype(part, dtype, fresh):
    if not isinstance(part, torch.nn.Module):
        return part
    if dtype != torch.float32:
        part = converted(part, dtype)
    return copy.deepcopy(part) if fresh else part


def sd15(levels=4, *, fresh=False, dtype=torch.float32, scheduler="ddim", checker=None):
    return assembled(
        StableDiffusionPipeline,
        fresh,
        dtype,
        scheduler,
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(),
        unet=sd15_unet(levels),
        safety_checker=checker,
        feature_extractor=feature_extractor() if checker else None,
        requires_safety_checker=checker is not None,
    )


def sd21(*, fresh=False, dtype=torch.float32, scheduler="ddim"):
    """v-prediction, linear projections, a head count per level, and padding with "!"."""
    return assembled(
        StableDiffusionPipeline,
        fresh,
        dtype,
        scheduler,
        schedule={"prediction_type": "v_prediction"},
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=tokenizer(pad_token="!"),
        unet=sd21_unet(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sdxl(*, fresh=False, dtype=torch.float32, scheduler="ddim"):
    return assembled(
        StableDiffusionXLPipeline,
        fresh,
        dtype,
        scheduler,
        vae=autoencoder(),
        text_encoder=text_encoder(),
        text_encoder_2=text_encoder(projected=True),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(pad_token="!"),
        unet=sdxl_unet(),
        add_watermarker=False,
    )


FAMILIES = {"sd15": sd15, "sd21": sd21, "sdxl": sdxl}


def controlnet(**options):
    """A ControlNet pipeline over `sd15(**options)`; call it with `image=picture()`."""
    pipe = sd15(**options)
    control = of_dtype(unet_controlnet(), pipe.dtype, fresh=False)
    return derived(StableDiffusionControlNetPipeline, pipe, controlnet=control)


def derived(pipeline_class, pipe, **extra):
    """Another pipeline over the same components (`from_pipe` alone would cast them all to float32)."""
    pipe = pipeline_class.from_pipe(pipe, dtype=pipe.dtype, **extra)
    pipe.set_progress_bar_config(disable=True)
    return pipe
