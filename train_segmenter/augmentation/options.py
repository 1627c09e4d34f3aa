"""What augmentation does to a pair, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.options import (
    Fault,
    OptionsError,
    ScaleRange,
    Share,
    options,
    rising,
)

# Wu et al., ICCV 2023: rows × columns of the spliced pictures.
PUBLISHED_GRIDS = ((1, 2), (2, 1), (2, 2), (3, 3), (5, 5), (8, 8))

Tiles = Annotated[int, Field(ge=1, le=32)]  # along a side: every one is a pair that is read
Sigma = Annotated[float, Field(ge=0, le=1000)]  # of a blur, in pixels
OpenShare = Annotated[float, Field(gt=0, lt=1)]


@options
class AugmentOptions:
    """Probabilities of the changes, and their strengths.

    splice, blur, occlude, perspective, turn: probabilities; turn is not among the published changes. grids:
    (rows, columns) to splice. blur_sigma: range in pixels. pieces: how many patches occlude at most.
    piece_share: the range of each one's share of the image. occluded: what the mask says beneath a patch
    (255, as before, or background). distortion: how far a corner moves at most, as a part of half the side.
    angle: degrees of a turn to either side at most. zoom: range of the factor that comes with it.
    """

    splice: Share = 0.5
    grids: tuple[tuple[Tiles, Tiles], ...] = PUBLISHED_GRIDS
    blur: Share = 0.3
    blur_sigma: Annotated[tuple[Sigma, Sigma], AfterValidator(rising)] = (0.3, 2.0)
    occlude: Share = 0.3
    pieces: Annotated[int, Field(ge=1, le=1000)] = 3
    piece_share: Annotated[tuple[OpenShare, OpenShare], AfterValidator(rising)] = (0.01, 0.08)
    occluded: Literal["ignore", "keep", "background"] = "ignore"
    perspective: Share = 0.3
    distortion: OpenShare = 0.4
    turn: Share = 0.0
    angle: Annotated[float, Field(ge=0, le=180)] = 20.0
    zoom: ScaleRange = (0.85, 1.2)

    def __post_init__(self) -> None:
        if self.splice and not self.grids:
            raise OptionsError([Fault("grids", " must not be empty where pairs are spliced: try [[2, 2]]")])
        for name in ("angle", "zoom") if not self.turn else ():
            if getattr(self, name) != getattr(type(self), name):
                raise OptionsError([Fault(name, " is of turns, whose probability (turn) is 0")])

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Refuse a background beneath patches where there is none among the classes, by id."""
        if self.occlude and self.occluded == "background" and class_names[0] != BACKGROUND:
            told = f" background is no class of the data, whose id 0 is {class_names[0]}: take ignore or keep"
            raise OptionsError([Fault("occluded", told)])
