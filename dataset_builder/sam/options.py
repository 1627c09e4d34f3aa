"""The options of Segment Anything."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from diffusers_attnmask.ground.options import Fault, OptionsError, Share, options
from diffusers_attnmask.loading.options import Device, Precision

Prompting = Literal["attention", "words"]
ASKED_BY = {"attention": ("points", "margin"), "words": ("score",)}


@options(kw_only=True)
class SamOptions:
    """How Segment Anything is asked, and when it is believed.

    prompts: "attention" asks by the box, the points and the map of each object; "words", which SAM 3 alone
    takes, by the names of the classes. agreement: the least IoU with the attention's object at which a mask
    of SAM's is believed. points: as many on the object, on the background and on other classes. margin: of a
    box around its object, as a share of its sides. score: from which on SAM 3 counts what it found by a word.
    device: where it runs, by default a GPU where there is one. dtype: in which pictures are embedded; masks
    are always made in fp32.
    """

    prompts: Prompting = "attention"
    agreement: Share = 0.5
    points: Annotated[int, Field(ge=1, le=16)] = 3
    margin: Share = 0.1
    score: Share = 0.5
    device: Device = "auto"
    dtype: Precision = "auto"

    def __post_init__(self) -> None:
        for prompts, names in ASKED_BY.items():
            for name in names if prompts != self.prompts else ():
                if getattr(self, name) != getattr(type(self), name):
                    raise OptionsError([Fault(name, f" goes with the prompts {prompts}")])
