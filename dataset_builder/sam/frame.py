"""Where a picture lies in what a network sees of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

Size = tuple[int, int]  # height and width


@dataclass(frozen=True)
class Frame:
    """A picture of the size `own`, seen at the size `seen` in the upper left corner of the size `whole`.

    The first SAM keeps a picture's shape and pads it to a square; later ones squeeze it into the square.
    """

    own: Size
    seen: Size
    whole: Size

    def points(self, xy: Tensor) -> Tensor:
        """Points (..., 2), x before y, of the picture where the network sees them."""
        (height, width), (seen_height, seen_width) = self.own, self.seen
        return xy * xy.new_tensor([seen_width / width, seen_height / height])

    def inward(self, logits: Tensor, side: int, outside: float) -> Tensor:
        """Logits (N, H, W) of the picture as (N, side, side) of the whole, with `outside` beside it."""
        if self.seen != self.whole:
            (height, width), (whole_height, whole_width) = self.seen, self.whole
            room = (0, whole_width - width, 0, whole_height - height)
            logits = pad(resized(logits, self.seen), room, value=outside)
        return resized(logits, (side, side))

    def back(self, logits: Tensor) -> Tensor:
        """Logits (N, K, h, w) of the whole at the picture's own size, (N, K, H, W)."""
        if self.seen != self.whole:
            enlarged = interpolate(logits, self.whole, mode="bilinear", align_corners=False)
            logits = enlarged[..., : self.seen[0], : self.seen[1]]
        return interpolate(logits, self.own, mode="bilinear", align_corners=False)


def resized(maps: Tensor, size: Size) -> Tensor:
    """Maps (N, H, W) at another size, without aliasing."""
    return interpolate(maps[:, None], size, mode="bilinear", align_corners=False, antialias=True)[:, 0]


def frame_of(inputs: dict[str, Tensor]) -> Frame:
    """What an image processor of SAM's says of the one picture that it was given."""
    height, width = (int(side) for side in inputs["original_sizes"][0])
    whole = inputs["pixel_values"].shape[-2:]
    seen = inputs.get("reshaped_input_sizes", torch.tensor([whole]))[0]
    return Frame((height, width), (int(seen[0]), int(seen[1])), (int(whole[0]), int(whole[1])))
