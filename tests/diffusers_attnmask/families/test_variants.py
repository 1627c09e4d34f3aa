"""Every pipeline of a family beside its plain one, over the same small models."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers
import pytest
import torch
from diffusers import LCMScheduler, SCMScheduler

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.families import FAMILIES, REFUSED
from diffusers_attnmask.masking.pipeline import masking_class
from tests.small_models import sd15, sdxl
from tests.small_models.controls import adapter, flux_controlnet, sana_controlnet, sd3_controlnet
from tests.small_models.cross_transformers import sana_transformer
from tests.small_models.denoisers import sd15_unet, sdxl_unet, unet_controlnet
from tests.small_models.flow_parts import Small, flow_autoencoder
from tests.small_models.joint_transformers import chroma_transformer
from tests.small_models.pictures import picture
from tests.small_models.qwen_image import qwen_controlnet
from tests.small_models.transformers import TRANSFORMERS, flux_transformer, sd3_transformer
from tests.small_models.z_image import z_image_controlnet

PICTURE = picture().resize((96, 64))
MASK = PICTURE.convert("L").point(lambda value: 255 * (value > 127))
IMG2IMG = {"image": PICTURE, "strength": 0.8}
INPAINT = {**IMG2IMG, "mask_image": MASK}
CONTROL = {"control_image": PICTURE}
IMAGES = {"image": [PICTURE] * 2}  # one per prompt
UNETS = {
    "sd15": Small(sd15, {"guidance_scale": 5.0}, {}, None),
    "sdxl": Small(sdxl, {"guidance_scale": 5.0}, {}, None),
}


@dataclass(frozen=True)
class Variant:
    """family: whose small pipeline lends its components. given: what the call takes beside the prompt.
    further: components of its own.
    """

    family: str
    given: Mapping[str, Any]
    further: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


def chroma_without_guidance():
    """The pipeline asks a config for what ChromaTransformer2DModel's does not have."""
    transformer = copy.deepcopy(chroma_transformer())
    transformer.register_to_config(guidance_embeds=False)
    return transformer


def part(name, build, *args, **options):
    return {name: functools.partial(build, *args, **options)}


CONSISTENT = part("unet", sd15_unet, time_cond_proj_dim=16) | part("scheduler", LCMScheduler)
VARIANTS = {
    "ChromaImg2ImgPipeline": Variant("chroma", IMG2IMG),
    "ChromaInpaintPipeline": Variant("chroma", INPAINT, part("transformer", chroma_without_guidance)),
    "Flux2KleinInpaintPipeline": Variant("flux2-klein", INPAINT),
    "Flux2Pipeline": Variant("flux2", {"image": PICTURE}),
    "FluxControlImg2ImgPipeline": Variant(
        "flux", IMG2IMG | CONTROL, part("transformer", flux_transformer, in_channels=32, out_channels=16)
    ),
    "FluxControlInpaintPipeline": Variant(
        "flux", INPAINT | CONTROL, part("transformer", flux_transformer, in_channels=32, out_channels=16)
    ),
    "FluxControlNetImg2ImgPipeline": Variant("flux", IMG2IMG | CONTROL, part("controlnet", flux_controlnet)),
    "FluxControlNetInpaintPipeline": Variant("flux", INPAINT | CONTROL, part("controlnet", flux_controlnet)),
    "FluxControlNetPipeline": Variant("flux", CONTROL, part("controlnet", flux_controlnet)),
    "FluxControlPipeline": Variant(
        "flux", CONTROL, part("transformer", flux_transformer, in_channels=32, out_channels=16)
    ),
    "FluxFillPipeline": Variant(
        "flux", INPAINT, part("transformer", flux_transformer, in_channels=288, out_channels=16)
    ),
    "FluxImg2ImgPipeline": Variant("flux", IMG2IMG),
    "FluxInpaintPipeline": Variant("flux", INPAINT),
    "FluxKontextInpaintPipeline": Variant("flux", INPAINT | {"_auto_resize": False, "max_area": 96 * 64}),
    "FluxKontextPipeline": Variant("flux", IMAGES | {"_auto_resize": False, "max_area": 96 * 64}),
    "LatentConsistencyModelImg2ImgPipeline": Variant("sd15", IMG2IMG | IMAGES, CONSISTENT),
    "LatentConsistencyModelPipeline": Variant("sd15", {}, CONSISTENT),
    "QwenImageControlNetInpaintPipeline": Variant(
        "qwen-image",
        CONTROL | {"control_mask": MASK},
        part("controlnet", qwen_controlnet, extra_condition_channels=4),
    ),
    "QwenImageControlNetPipeline": Variant("qwen-image", CONTROL, part("controlnet", qwen_controlnet)),
    "QwenImageImg2ImgPipeline": Variant("qwen-image", IMG2IMG),
    "QwenImageInpaintPipeline": Variant("qwen-image", INPAINT),
    "SanaControlNetPipeline": Variant("sana", CONTROL, part("controlnet", sana_controlnet)),
    "SanaSprintImg2ImgPipeline": Variant(
        "sana",
        IMG2IMG | {"intermediate_timesteps": None},
        part("transformer", sana_transformer, guidance_embeds=True) | part("scheduler", SCMScheduler),
    ),
    "StableDiffusion3ControlNetInpaintingPipeline": Variant(
        "sd3",
        CONTROL | {"control_mask": MASK},
        part("controlnet", sd3_controlnet, extra_conditioning_channels=1),
    ),
    "StableDiffusion3ControlNetPipeline": Variant("sd3", CONTROL, part("controlnet", sd3_controlnet)),
    "StableDiffusion3Img2ImgPipeline": Variant("sd3", IMG2IMG),
    "StableDiffusion3InpaintPipeline": Variant(  # it takes 16 channels and no other number
        "sd3",
        INPAINT,
        part("transformer", sd3_transformer, in_channels=16, out_channels=16)
        | part("vae", flow_autoencoder, 16),
    ),
    "StableDiffusion3PAGImg2ImgPipeline": Variant(
        "sd3",
        IMG2IMG,
        part("transformer", sd3_transformer, qk_norm=None) | part("pag_applied_layers", lambda: ["blocks.2"]),
    ),
    "StableDiffusionAdapterPipeline": Variant("sd15", IMAGES, part("adapter", adapter, (16, 16, 32, 32))),
    "StableDiffusionControlNetImg2ImgPipeline": Variant(
        "sd15", IMG2IMG | IMAGES | CONTROL, part("controlnet", unet_controlnet)
    ),
    "StableDiffusionControlNetInpaintPipeline": Variant(
        "sd15", INPAINT | CONTROL, part("controlnet", unet_controlnet)
    ),
    "StableDiffusionControlNetPAGInpaintPipeline": Variant(
        "sd15", INPAINT | CONTROL, part("controlnet", unet_controlnet)
    ),
    "StableDiffusionControlNetPAGPipeline": Variant(
        "sd15", {"image": PICTURE}, part("controlnet", unet_controlnet)
    ),
    "StableDiffusionControlNetPipeline": Variant(
        "sd15", {"image": PICTURE}, part("controlnet", unet_controlnet)
    ),
    "StableDiffusionImg2ImgPipeline": Variant("sd15", IMG2IMG | IMAGES),
    "StableDiffusionInpaintPipeline": Variant("sd15", INPAINT),
    "StableDiffusionPAGImg2ImgPipeline": Variant("sd15", IMG2IMG | IMAGES),
    "StableDiffusionPAGInpaintPipeline": Variant("sd15", INPAINT),
    "StableDiffusionXLAdapterPipeline": Variant(
        "sdxl", IMAGES, part("adapter", adapter, (16, 16, 32), "full_adapter_xl", 16)
    ),
    "StableDiffusionXLControlNetImg2ImgPipeline": Variant(
        "sdxl", IMG2IMG | CONTROL, part("controlnet", unet_controlnet, sdxl_unet)
    ),
    "StableDiffusionXLControlNetInpaintPipeline": Variant(
        "sdxl", INPAINT | CONTROL, part("controlnet", unet_controlnet, sdxl_unet)
    ),
    "StableDiffusionXLControlNetPAGImg2ImgPipeline": Variant(
        "sdxl", IMG2IMG | CONTROL, part("controlnet", unet_controlnet, sdxl_unet)
    ),
    "StableDiffusionXLControlNetPAGPipeline": Variant(
        "sdxl", {"image": PICTURE}, part("controlnet", unet_controlnet, sdxl_unet)
    ),
    "StableDiffusionXLControlNetPipeline": Variant(
        "sdxl", {"image": PICTURE}, part("controlnet", unet_controlnet, sdxl_unet)
    ),
    "StableDiffusionXLImg2ImgPipeline": Variant("sdxl", IMG2IMG),
    "StableDiffusionXLInpaintPipeline": Variant("sdxl", INPAINT),
    "StableDiffusionXLPAGImg2ImgPipeline": Variant("sdxl", IMG2IMG),
    "StableDiffusionXLPAGInpaintPipeline": Variant("sdxl", INPAINT),
    "ZImageControlNetInpaintPipeline": Variant(
        "z-image",
        {"image": [PICTURE] * 2, "mask_image": [MASK] * 2, "control_image": [PICTURE] * 2},
        part("controlnet", z_image_controlnet, 9),
    ),
    "ZImageControlNetPipeline": Variant("z-image", CONTROL, part("controlnet", z_image_controlnet)),
    "ZImageImg2ImgPipeline": Variant("z-image", IMG2IMG),
    "ZImageInpaintPipeline": Variant("z-image", INPAINT),
}
ELSEWHERE = {  # in tests of what is particular to them
    "PixArtAlphaPipeline",
    "PixArtSigmaPAGPipeline",
    "SanaPAGPipeline",
    "SanaSprintPipeline",
    "StableDiffusion3PAGPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionPAGPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
    "StableDiffusionXLPAGPipeline",
}


def test_pipelines_that_cannot_be_read_say_why():
    assert not any(REFUSED.keys() & family.pipelines for family in FAMILIES)
    assert all(hasattr(diffusers, name) for name in REFUSED)
    with pytest.raises(TypeError, match="its prompts stand behind pictures' tokens"):
        masking_class(diffusers.QwenImageEditPipeline)


def test_every_pipeline_that_is_supported_is_run():
    plain = {type(small.build()).__name__ for small in (UNETS | TRANSFORMERS).values()}
    supported = set().union(*(family.pipelines for family in FAMILIES))
    assert supported - plain - ELSEWHERE == VARIANTS.keys() - plain


def taken(function, options):
    """Those of some options that a function takes."""
    return {name: value for name, value in options.items() if name in inspect.signature(function).parameters}


@pytest.mark.parametrize("name", VARIANTS)
def test_images_made_from_pictures_stay_the_same_and_have_masks(name):
    variant, kind = VARIANTS[name], getattr(diffusers, name)
    small = (UNETS | TRANSFORMERS)[variant.family]
    components = small.build(fresh="PAG" in name).components
    components |= {part: build() for part, build in variant.further.items()}
    pipe = kind(**taken(kind.__init__, components))
    pipe.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": 2, "height": 64, "width": 96, **small.guided, **variant.given}
    call = taken(pipe.__call__, call) | {"output_type": "pt"}
    if "negative_prompt" in call:
        call["negative_prompt"] = [call["negative_prompt"]] * 2

    def run(pipe, **options):
        prompts = ["a dog and a cat", "the red cat"]
        torch.manual_seed(0)  # some encode their pictures without the generator
        return pipe(prompt=prompts, generator=torch.Generator().manual_seed(0), **call, **options)

    plain = run(pipe).images
    out = run(DiffuMaskPipeline.from_pipe(pipe), classes=[["dog", "cat"], ["cat"]])
    assert torch.equal(torch.as_tensor(out.images), torch.as_tensor(plain))
    assert [tuple(maps.shape) for maps in out.heatmaps] == [(2, 64, 96), (1, 64, 96)]
    assert all(maps.std() > 1e-3 for maps in out.heatmaps)
