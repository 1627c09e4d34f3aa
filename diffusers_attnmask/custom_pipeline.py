"""DiffuMask as a custom pipeline of diffusers.

Load it with `DiffusionPipeline.from_pretrained(repo, custom_pipeline="<path of this file>",
trust_remote_code=True)`. Diffusers copies the file elsewhere and looks in it for one pipeline class, whose
constructor says what to load: hence the absolute import, and one class for the components of all families.
"""

from typing import Any

import diffusers
from diffusers import DiffusionPipeline, ModelMixin

from diffusers_attnmask.families import FAMILIES
from diffusers_attnmask.masking.pipeline import masking_class

OPTIONAL = (
    "unet",
    "transformer",
    "text_encoder_2",
    "tokenizer_2",
    "text_encoder_3",
    "tokenizer_3",
    "safety_checker",
    "feature_extractor",
    "image_encoder",
)


class DiffuMask(DiffusionPipeline):
    """Makes a `DiffuMaskPipeline` of the family that the loaded components belong to."""

    _optional_components = OPTIONAL

    def __new__(cls, **parts: Any) -> DiffusionPipeline:
        own = pipeline_of(parts)
        components, options = own._get_signature_keys(own)
        taken = {name: parts.get(name) for name in components}
        return masking_class(own)(**taken, **{name: parts[name] for name in options if name in parts})

    def __init__(  # type: ignore[no-untyped-def]  # its annotations would say which classes are allowed
        self,
        vae,
        text_encoder,
        tokenizer,
        scheduler,
        unet=None,
        transformer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        text_encoder_3=None,
        tokenizer_3=None,
        safety_checker=None,
        feature_extractor=None,
        image_encoder=None,
        requires_safety_checker=True,
        force_zeros_for_empty_prompt=True,
        add_watermarker=None,
    ):
        """Tells diffusers which components to load; `__new__` has returned another class by then."""


def pipeline_of(parts: dict[str, Any]) -> Any:
    """The text-to-image pipeline that takes just these components, its models of the types it asks for."""
    given = {name for name, part in parts.items() if name in OPTIONAL and part is not None}
    for family in FAMILIES:
        own = getattr(diffusers, family.text_to_image)
        components, _ = own._get_signature_keys(own)
        needed = {name for name in OPTIONAL if name in components and name not in own._optional_components}
        types = own._get_signature_types()
        models = {name: part for name, part in parts.items() if isinstance(part, ModelMixin)}
        if (
            needed <= given <= set(components)
            and models.keys() <= types.keys()
            and all(isinstance(part, tuple(types[name])) for name, part in models.items())
        ):
            return own
    kinds = ", ".join(sorted(type(part).__name__ for part in parts.values() if isinstance(part, ModelMixin)))
    raise TypeError(f"masks cannot be read from a pipeline of {kinds}: its family is not supported")
