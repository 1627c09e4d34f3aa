"""DiffuMask as a custom pipeline of diffusers.

Load it with `DiffusionPipeline.from_pretrained(repo, custom_pipeline="<path of this file>",
trust_remote_code=True)`. Diffusers copies the file elsewhere and looks in it for one pipeline class, whose
constructor says what to load: hence the absolute import, and one class for the components of all families.
"""

from typing import Any

import diffusers
from diffusers import DiffusionPipeline

from diffusers_attnmask.masking import pipeline


class DiffuMask(DiffusionPipeline):
    """Makes a `DiffuMaskPipeline` of the family that the loaded components belong to."""

    _optional_components = (
        "text_encoder_2",
        "tokenizer_2",
        "safety_checker",
        "feature_extractor",
        "image_encoder",
    )

    def __new__(cls, **parts: Any) -> DiffusionPipeline:
        xl = parts.get("text_encoder_2") is not None
        own = diffusers.StableDiffusionXLPipeline if xl else diffusers.StableDiffusionPipeline
        components, options = own._get_signature_keys(own)
        taken = {name: parts.get(name) for name in components}
        return pipeline.masking_class(own)(
            **taken, **{name: parts[name] for name in options if name in parts}
        )

    def __init__(
        self,
        vae,
        text_encoder,
        tokenizer,
        unet,
        scheduler,
        text_encoder_2=None,
        tokenizer_2=None,
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=True,
        force_zeros_for_empty_prompt=True,
        add_watermarker=None,
    ):
        """Tells diffusers which components to load; `__new__` has returned another class by then."""
