"""InstructPix2Pix: pictures changed as a prompt tells; guidance takes three parts, the prompts first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from diffusers_attnmask.families.stable_diffusion import StableDiffusion
from diffusers_attnmask.families.stable_diffusion_xl import StableDiffusionXL


class InstructPix2Pix(StableDiffusion):
    name: ClassVar[str] = "InstructPix2Pix"
    pipelines: ClassVar[frozenset[str]] = frozenset({"StableDiffusionInstructPix2PixPipeline"})
    parts: ClassVar[Mapping[int, int]] = {1: 0, 3: 0}
    prompt_encoder: ClassVar[str] = "_encode_prompt"

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        return list(encode_prompt(list(texts), arguments["device"], 1, False))


class InstructPix2PixXL(StableDiffusionXL):
    name: ClassVar[str] = "InstructPix2Pix XL"
    pipelines: ClassVar[frozenset[str]] = frozenset({"StableDiffusionXLInstructPix2PixPipeline"})
    parts: ClassVar[Mapping[int, int]] = {1: 0, 3: 0}
