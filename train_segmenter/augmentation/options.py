"""What augmentation does to a pair, and how often."""

from __future__ import annotations

from dataclasses import dataclass

# Wu et al., ICCV 2023: rows × columns of the spliced pictures.
PUBLISHED_GRIDS = ((1, 2), (2, 1), (2, 2), (3, 3), (5, 5), (8, 8))
OCCLUDED = ("ignore", "keep", "background")


@dataclass(frozen=True)
class AugmentOptions:
    """Probabilities of the five changes, and their strengths.

    grids: (rows, columns) to splice. blur_sigma: range in pixels. pieces: how many patches occlude at most,
    piece_share: the range of each one's share of the image. occluded: what the mask says beneath a patch
    (255, as before, or background). distortion: how far a corner moves at most, as a part of half the side.
    turn is not among the published changes. angle: degrees of a turn to either side at most. zoom: range of
    the factor that comes with it.
    """

    splice: float = 0.5
    grids: tuple[tuple[int, int], ...] = PUBLISHED_GRIDS
    blur: float = 0.3
    blur_sigma: tuple[float, float] = (0.3, 2.0)
    occlude: float = 0.3
    pieces: int = 3
    piece_share: tuple[float, float] = (0.01, 0.08)
    occluded: str = "ignore"
    perspective: float = 0.3
    distortion: float = 0.4
    turn: float = 0.0
    angle: float = 20.0
    zoom: tuple[float, float] = (0.85, 1.2)

    def __post_init__(self) -> None:
        for name in ("splice", "blur", "occlude", "perspective", "turn"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability from 0 to 1, not {getattr(self, name)}")
        for rows, columns in self.grids:
            if rows < 1 or columns < 1:
                raise ValueError(f"a grid is at least 1x1, not {rows}x{columns}")
        if self.splice and not self.grids:
            raise ValueError("splice needs at least one grid, such as (2, 2)")
        if not 0 <= self.blur_sigma[0] <= self.blur_sigma[1]:
            raise ValueError(f"blur_sigma is a range low to high, not {self.blur_sigma}")
        if self.pieces < 1 or not 0 < self.piece_share[0] <= self.piece_share[1] < 1:
            raise ValueError(f"pieces {self.pieces} and piece_share {self.piece_share} must be above 0")
        if self.occluded not in OCCLUDED:
            raise ValueError(f"occluded is one of {', '.join(OCCLUDED)}, not {self.occluded!r}")
        if not 0 < self.distortion < 1:
            raise ValueError(f"distortion is between 0 and 1, not {self.distortion}")
        if not 0 <= self.angle <= 180:
            raise ValueError(f"angle is from 0 to 180 degrees, not {self.angle}")
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom is a range low to high of positive factors, not {self.zoom}")
