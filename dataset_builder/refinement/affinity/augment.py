"""Random views of an image and its labels for training AffinityNet, as functions of a generator."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.options import Share, Side, options

# ImageNet's statistics, which pretrained backbones expect.
MEAN, DEVIATION = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
GREY = torch.tensor([0.299, 0.587, 0.114])


@options
class ViewOptions:
    """Ahn & Kwak's: a random crop, a flip, and colours changed by up to these shares."""

    crop: Side = 448
    flip: bool = True
    brightness: Share = 0.3
    contrast: Share = 0.3
    saturation: Share = 0.3
    hue: Share = 0.1


def normalised(image: Tensor) -> Tensor:
    """Network input (3, H, W) from an image uint8 (H, W, 3)."""
    return ((image.float() / 255 - MEAN) / DEVIATION).permute(2, 0, 1)


def random_view(
    image: Tensor, labels: Tensor, options: ViewOptions, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Network input (3, crop, crop) and labels (crop, crop) of an image uint8 (H, W, 3) and labels (H, W).

    What an image lacks of the crop is black and ignored.
    """
    side = options.crop
    top, left = (_integer(max(0, size - side) + 1, generator) for size in labels.shape)
    image, labels = image[top : top + side, left : left + side], labels[top : top + side, left : left + side]
    colours = normalised(_jittered(image.float() / 255, options, generator).mul(255))
    if options.flip and _integer(2, generator):
        colours, labels = colours.flip(-1), labels.flip(-1)
    missing = (0, side - labels.shape[1], 0, side - labels.shape[0])
    return pad(colours, missing), pad(labels, missing, value=IGNORE_ID)


def _jittered(image: Tensor, options: ViewOptions, generator: torch.Generator) -> Tensor:
    """(H, W, 3) in [0, 1]"""

    def amount(limit: float) -> float:
        return float(torch.rand((), generator=generator)) * 2 * limit - limit

    image = image * (1 + amount(options.brightness))
    mean = (image @ GREY).mean()
    image = mean + (image - mean) * (1 + amount(options.contrast))
    grey = (image @ GREY)[..., None]
    image = grey + (image - grey) * (1 + amount(options.saturation))
    return (image @ _hue_rotation(amount(options.hue)).T).clamp(0, 1)


def _hue_rotation(turns: float) -> Tensor:
    """The rotation (3, 3) of colours around the grey axis."""
    axis = torch.ones(3) / 3**0.5
    angle = torch.tensor(turns * 2 * torch.pi)
    cross = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / 3**0.5
    return angle.cos() * torch.eye(3) + angle.sin() * cross + (1 - angle.cos()) * torch.outer(axis, axis)


def _integer(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))
