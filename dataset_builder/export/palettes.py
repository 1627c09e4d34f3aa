"""Colours of class names."""

from __future__ import annotations

from collections.abc import Sequence

from dataset_builder.vocabulary import load_vocabulary, vocabulary_names
from diffusers_attnmask.ground.palette import VOC_PALETTE, Colour


def palette_of(class_names: Sequence[str], vocabulary: str | None = None) -> tuple[Colour, ...]:
    """The 256 colours of a vocabulary: the named one, the bundled one of these classes, else VOC's."""
    for name in [vocabulary] if vocabulary else vocabulary_names():
        known = load_vocabulary(name)
        if known.class_names == tuple(class_names):
            return known.palette
        if vocabulary:
            raise ValueError(
                f"vocabulary {vocabulary!r} has the classes {', '.join(known.class_names)}; the data has "
                f"{', '.join(class_names)}"
            )
    return VOC_PALETTE
