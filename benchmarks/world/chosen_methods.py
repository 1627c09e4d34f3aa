"""Mask methods as an option names them, with the titles of their rows."""

from __future__ import annotations

import json
from collections.abc import Sequence

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.methods import MaskMethod


def chosen_methods(pipe: DiffuMaskPipeline, texts: Sequence[str] | None) -> dict[str, MaskMethod]:
    """By the title of their rows."""
    family = check_supported(pipe)
    if texts is None:
        return {own.name: own for own in pipe.mask_settings.resolve_all(family, family.sites(pipe))}
    parsed = map(parsed_method, texts)
    return {title: pipe.mask_settings.resolve(name, family, options) for title, name, options in parsed}


def parsed_method(text: str) -> tuple[str, str, dict]:
    """A row's title, a method and its options, of `NAME`, `NAME={…}` or `NAME (words)={…}`.

    >>> parsed_method('daam (late)={"steps": [0.3, 1]}')
    ('daam (late)', 'daam', {'steps': [0.3, 1]})
    >>> parsed_method("daam")
    ('daam', 'daam', {})
    """
    head, _, options = text.partition("={")
    name = head.partition(" ")[0]
    return (head if name != head else text), name, json.loads("{" + options) if options else {}
