"""Which pictures are labelled, and by whom."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import Field

from diffusers_attnmask.ground.options import Fault, Name, OptionsError, Share, Side, options

Labelling = Literal["attention", "seg-diffusion", "sam", "segmenter"]
ASKS = {"attention": ("strength", "looks"), "sam": ("score",)}  # options that only one labeller heeds


@options(kw_only=True)
class PictureOptions:
    """Pictures that exist already, in place of drawn ones.

    folder: the pictures, in folders of it too. by: who labels them; the recipe's model is then a diffusion
    model for "attention", a seg-diffusion, a SAM 3, or any trained segmenter. table: a CSV or JSON Lines file
    with the columns `file` and `classes`, which may have a `caption`; what it does not list is left out.
    captioner: a model that writes captions, for pictures without one. strength and looks: how noisy a picture
    is to "attention", and how often it looks. score: from which on "sam" counts an object. longest_side:
    larger pictures are made smaller. allow_outside: read pictures, too, that links in the folder lead to.
    """

    folder: Name
    by: Labelling = "attention"
    table: Name | None = None
    captioner: Name | None = None
    strength: Share = 0.5
    looks: Annotated[int, Field(ge=1, le=1000)] = 2
    score: Share = 0.5
    longest_side: Side | None = None
    allow_outside: bool = False

    def __post_init__(self) -> None:
        for labeller, names in ASKS.items():
            for name in names if labeller != self.by else ():
                if getattr(self, name) != getattr(type(self), name):
                    told = f" goes with {labeller}; the pictures are labelled by {self.by}"
                    raise OptionsError([Fault(name, told)])

    def deciding(self) -> dict[str, Any]:
        """Plain values of all that decides a byte."""
        return {name: value for name, value in asdict(self).items() if name != "allow_outside"}
