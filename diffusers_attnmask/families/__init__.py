"""The supported families of pipelines; a new one is a file here and a line in FAMILIES."""

from __future__ import annotations

from typing import Any

from diffusers_attnmask.families.aura_flow import AuraFlow
from diffusers_attnmask.families.base import Call, Family
from diffusers_attnmask.families.chroma import Chroma
from diffusers_attnmask.families.cogview4 import CogView4
from diffusers_attnmask.families.flux import Flux
from diffusers_attnmask.families.flux2 import Flux2, Flux2Klein
from diffusers_attnmask.families.hidream import HiDream
from diffusers_attnmask.families.hunyuan_image import HunyuanImage
from diffusers_attnmask.families.instruct_pix2pix import InstructPix2Pix, InstructPix2PixXL
from diffusers_attnmask.families.kandinsky5 import Kandinsky5
from diffusers_attnmask.families.lumina2 import Lumina2
from diffusers_attnmask.families.pixart import PixArt
from diffusers_attnmask.families.qwen_image import QwenImage
from diffusers_attnmask.families.sana import Sana
from diffusers_attnmask.families.stable_diffusion import StableDiffusion
from diffusers_attnmask.families.stable_diffusion_3 import StableDiffusion3
from diffusers_attnmask.families.stable_diffusion_xl import StableDiffusionXL
from diffusers_attnmask.families.z_image import ZImage

FAMILIES: tuple[Family, ...] = (
    StableDiffusion(),
    StableDiffusionXL(),
    InstructPix2Pix(),
    InstructPix2PixXL(),
    StableDiffusion3(),
    Flux(),
    Flux2(),
    Flux2Klein(),
    PixArt(),
    Sana(),
    Chroma(),
    AuraFlow(),
    Lumina2(),
    CogView4(),
    HunyuanImage(),
    HiDream(),
    Kandinsky5(),
    QwenImage(),
    ZImage(),
)

NO_OFFSETS = "its ChatGLM tokenizer does not tell where in a prompt its tokens come from"
EDITS = "its prompts stand behind pictures' tokens, whose number only the call knows"
REFUSED = {  # why a family cannot be read
    "Flux2KleinKVPipeline": "its queries and its cached keys of reference images stand at different places",
    "KolorsImg2ImgPipeline": NO_OFFSETS,
    "KolorsPAGPipeline": NO_OFFSETS,
    "KolorsPipeline": NO_OFFSETS,
    "QwenImageEditInpaintPipeline": EDITS,
    "QwenImageEditPipeline": EDITS,
    "QwenImageEditPlusPipeline": EDITS,
    "QwenImageLayeredPipeline": "it makes several pictures of one prompt, in one sequence",
    "ZImageOmniPipeline": EDITS,
}


def family_of(pipeline_class: type) -> Family:
    """The family of a pipeline class, by its own name or that of a class it derives from."""
    names = {parent.__name__ for parent in pipeline_class.__mro__}
    for family in FAMILIES:
        if names & family.pipelines:
            return family
    for name in names & REFUSED.keys():
        raise TypeError(f"{pipeline_class.__name__} is not supported: {REFUSED[name]}")
    supported = ", ".join(sorted(set().union(*(family.pipelines for family in FAMILIES))))
    raise TypeError(f"{pipeline_class.__name__} is not supported: masks can be read from {supported}")


def check_supported(pipe: Any) -> Family:
    """The family of a pipeline, or of a mistake for one."""
    if not hasattr(pipe, "components"):
        raise TypeError(f"a diffusers pipeline is needed, not {type(pipe).__name__}")
    return family_of(type(pipe))


__all__ = [
    "FAMILIES",
    "Call",
    "Family",
    "StableDiffusion",
    "StableDiffusionXL",
    "check_supported",
    "family_of",
]
