"""The mask methods by name; one file and one frozen dataclass of options each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffusers_attnmask.methods.base import MaskMethod
from diffusers_attnmask.methods.concept_attention import ConceptAttention
from diffusers_attnmask.methods.daam import Daam
from diffusers_attnmask.methods.dataset_diffusion import DatasetDiffusion
from diffusers_attnmask.methods.diffumask import DiffuMask
from diffusers_attnmask.methods.goca import Goca
from diffusers_attnmask.methods.grounding import Grounding
from diffusers_attnmask.methods.ovam import Ovam

METHODS: dict[str, type[MaskMethod]] = {
    method.name: method
    for method in (DiffuMask, DatasetDiffusion, Daam, Ovam, ConceptAttention, Grounding, Goca)
}


def make_method(
    name: str, options: Mapping[str, Any] | None = None, own: Mapping[str, Any] | None = None
) -> MaskMethod:
    """The method of a name with some of its options set, and under them a model's own."""
    if name not in METHODS:
        raise ValueError(f"mask method {name!r} is unknown: use one of {', '.join(sorted(METHODS))}")
    if not isinstance(options or {}, Mapping):
        raise TypeError(f"options of {name} are written as {{'threshold': 0.5}}, not {options!r}")
    return METHODS[name](**METHODS[name].merged(own or {}, options or {}))


__all__ = [
    "METHODS",
    "ConceptAttention",
    "Daam",
    "DatasetDiffusion",
    "DiffuMask",
    "Goca",
    "Grounding",
    "MaskMethod",
    "Ovam",
    "make_method",
]
