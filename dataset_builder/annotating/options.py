"""Which pictures are labelled, and by whom."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from diffusers_attnmask.ground.options import Name, Share, Side, options

Labelling = Literal["attention", "seg-diffusion", "sam", "segmenter"]


@options(kw_only=True)
class PictureOptions:
    """Pictures that exist already, in place of drawn ones.

    folder: the pictures, in folders of it too. by: who labels them; the recipe's model is then a diffusion
    model for "attention", a seg-diffusion, a SAM 3, or any trained segmenter. table: a CSV or JSON Lines file
    with the columns `file` and `classes`, which may have a `caption`; what it does not list is left out.
    captioner: a model that writes captions, for pictures without one. strength and looks: how noisy a picture
    is to "attention", and how often it looks. score: from which on "sam" counts an object. longest_side:
    larger pictures are made smaller.
    """

    folder: Name
    by: Labelling = "attention"
    table: Name | None = None
    captioner: Name | None = None
    strength: Share = 0.5
    looks: Annotated[int, Field(ge=1, le=1000)] = 2
    score: Share = 0.5
    longest_side: Side | None = None
