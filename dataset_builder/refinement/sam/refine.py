"""A mask with its objects as SAM outlines them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from dataset_builder.refinement.sam.choice import chosen, united
from dataset_builder.refinement.sam.objects import Objects, objects_of
from dataset_builder.refinement.sam.prompts import prompts_of
from dataset_builder.refinement.threshold import strongest
from dataset_builder.sam.kinds import prompted_sam, worded_sam
from dataset_builder.sam.options import SamOptions

Ask = Callable[[Objects], Tensor]  # candidates bool (N, K, H, W) for each of N objects


def sam_labels(
    image: np.ndarray, labels: Tensor, maps: Tensor, names: Sequence[str], model: str, options: SamOptions
) -> Tensor:
    """Labels (H, W) of an image uint8 (H, W, 3) anew, i+1 for class i of maps (C, H, W), by a SAM.

    Every connected part of a class is an object. A pixel that masks of several classes claim goes to the
    class with the highest map there; one that none claims, uncertain ones too, is background.
    """
    claims = torch.zeros(maps.shape, dtype=torch.bool)
    ask: Ask | None = None
    for objects in objects_of(labels, maps):
        ask = ask or asking(image, labels, maps, names, model, options)
        masks = chosen(ask(objects), objects, options.agreement)
        for place, mask in zip(objects.classes, masks, strict=True):
            claims[place] |= mask
    return strongest(claims, maps)


def asking(
    image: np.ndarray, labels: Tensor, maps: Tensor, names: Sequence[str], model: str, options: SamOptions
) -> Ask:
    """The SAM, once it has looked at the image."""
    if options.prompts == "words":
        return asking_by_words(image, names, model, options)
    sam = prompted_sam(model, options)
    picture = sam.embedded(image)
    return lambda objects: sam.candidates(picture, prompts_of(objects, labels, maps, options))


def asking_by_words(image: np.ndarray, names: Sequence[str], model: str, options: SamOptions) -> Ask:
    """What SAM 3 found by the class's name, alone and together; an empty mask fills up the shorter lists."""
    sam = worded_sam(model, options)
    found = [own.masks for own in sam.found(sam.embedded(image), names, options.score)]

    def ask(objects: Objects) -> Tensor:
        lists = []
        for place, inside in zip(objects.classes, objects.inside, strict=True):
            masks = found[place]
            lists.append(torch.cat([masks, united(masks, inside.to(masks.device))[None]]))
        return torch.nn.utils.rnn.pad_sequence(lists, batch_first=True, padding_value=False)

    return ask
