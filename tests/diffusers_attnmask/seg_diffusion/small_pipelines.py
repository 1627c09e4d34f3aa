"""Random small seg-diffusion pipelines, whose content attention says something."""

import functools

import torch

from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from tests.small_models import sd15, sd21, seeded

STARTS = {"epsilon": sd15, "v_prediction": sd21}


@functools.cache
def shared_pipeline(prediction="epsilon", **settings):
    """One pipeline for all tests that change nothing of it."""
    return fresh_pipeline(prediction, **settings)


def fresh_pipeline(prediction="epsilon", **settings):
    settings = {"content_attention": True, **settings}
    with seeded("seg-diffusion"):
        pipe = SegDiffusionPipeline.from_text_to_image(STARTS[prediction](fresh=True), **settings)
        if pipe.content_attention is not None:
            torch.nn.init.normal_(pipe.content_attention.out.weight, std=0.1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def asked(pipe, image, classes=("dog", "cat"), seed=0, **arguments):
    """Few and small samples, always the same; masks as tensors."""
    arguments = {"denoising_steps": 2, "ensemble_size": 1, "processing_res": 0, **arguments}
    generator = torch.Generator().manual_seed(seed)
    return pipe(image, list(classes), generator=generator, output_type="pt", **arguments)
