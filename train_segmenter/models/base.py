"""The interface that training and evaluation see: images in, logits at image size out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import torch
from PIL import Image
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.drawing import Look, mask_picture, overlay
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.options import Positive, options, read_options
from diffusers_attnmask.ground.pictures import rgb_pixels
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.data.base import shown_ids
from train_segmenter.data.segments import Shown, Task
from train_segmenter.models.object_queries import FoundObjects, FoundSegments

SPEC_FILE = "segmenter.json"
FLAGS = {"classes": "--class"}  # of options whose flag is not their own name
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@options
class SegmenterSpec:
    """What a model folder says beside the library's own files: name, classes by id, normalisation of RGB.

    task: what it was trained for; all but "semantic" tell objects apart.
    """

    model: str
    class_names: Annotated[tuple[str, ...], Field(min_length=1)]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[Positive, Positive, Positive] = IMAGENET_STD
    task: Task = "semantic"

    def write(self, folder: Path) -> None:
        write_text(folder / SPEC_FILE, json.dumps(asdict(self), indent=2) + "\n")
        labels = {str(number): name for number, name in enumerate(self.class_names)}
        write_text(folder / "id2label.json", json.dumps(labels, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> SegmenterSpec | None:
        """The folder's spec, or None where the model was made by its library alone."""
        file = folder / SPEC_FILE
        if not file.is_file():
            return None
        return read_options(cls, read_json(file), str(file))

    def check_outputs(self, outputs: int | None) -> None:
        """Refuses a network with another number of classes than are named."""
        if outputs != len(self.class_names):
            raise ValueError(f"{SPEC_FILE} names {len(self.class_names)} classes, the weights have {outputs}")


def ids_shown(masks: Tensor) -> list[tuple[int, ...]]:
    """The class ids in each of the masks (B, H, W)."""
    return [shown_ids(mask) for mask in masks.cpu().numpy()]


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Values of the host on a device, without waiting for what that is doing."""
    return values.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else values.to(device)


class Looking(Protocol):
    """How an image is looked at: what models ask of `Inference`, which builds on them."""

    @property
    def plain(self) -> bool:
        """Whether an image is looked at once, as it is."""

    def mask(self, model: Segmenter, image: np.ndarray) -> np.ndarray:
        """Class ids uint8 (H, W) of an image uint8 (H, W, 3)."""


class Segmenter(nn.Module, ABC):
    """A library's network behind one interface. Images are RGB float (B, 3, H, W) in [0, 1], of any size.

    A new kind of model is a subclass, in a file of its own, and a line in the registry's KINDS.
    """

    own_loss: ClassVar[bool] = False  # whether it learns by a loss of its own in place of the options'
    tasks: ClassVar[tuple[Task, ...]] = ("semantic",)  # that it can be trained for
    from_checkpoint: ClassVar[bool] = False  # whether a new one is made of another model's weights, always
    exportable: ClassVar[bool] = True  # whether `export` can write it as one file
    network: Any  # of a class of its library
    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor
    stride: int = 32  # sides are padded to multiples of it for the network, and the logits cut back

    @classmethod
    @abstractmethod
    def create(
        cls, name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options: Any
    ) -> Segmenter:
        """A new model for the given classes by the name that follows its kind's, with the kind's options."""

    @classmethod
    @abstractmethod
    def check_options(cls, name: str, options: Mapping[str, Any]) -> None:
        """Raise unless a new model of that name takes the options; nothing is built."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, spec: SegmenterSpec | None) -> Segmenter:
        """The model of a folder; without a spec it was saved by its library alone."""

    @staticmethod
    def usual_augmentation(crop: int, height: int, width: int) -> Augmentation:
        """How pairs of about that size are best seen in training, where no recipe says it."""
        return Augmentation(crop=crop)

    def __init__(self, network: nn.Module, spec: SegmenterSpec) -> None:
        super().__init__()
        self.network = network
        self.spec = spec
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.spec.class_names

    @property
    def open_vocabulary(self) -> bool:
        """Whether `for_classes` takes any words."""
        return False

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values that a training records over its own options, and that must not change on resuming."""
        return {}

    def for_classes(self, class_names: Sequence[str]) -> Segmenter:
        """The model for these classes by id: itself, where it is not asked for other classes."""
        if tuple(class_names) != self.class_names:
            raise ValueError(
                f"The model knows {', '.join(self.class_names)}, the data {', '.join(class_names)}; name the "
                "model's classes with --class."
            )
        return self

    def sampled(self, **options: Any) -> Segmenter:
        """The model with other options of sampling, where it samples."""
        raise ValueError(f"{self.spec.model} samples nothing: leave {', '.join(options)} out.")

    def for_pictures(self, **options: Any) -> Segmenter:
        """The model for a user's own pictures, with words and options of sampling where it takes any."""
        if options:
            flags = ", ".join(FLAGS.get(name, f"--{name.replace('_', '-')}") for name in options)
            raise ValueError(f"{self.spec.model} knows its own classes alone: leave {flags} out.")
        return self

    def pictures(
        self, image: Image.Image, inference: Looking, look: Look | None = None
    ) -> dict[str, Image.Image]:
        """What is shown of a user's picture: the "mask" (palette, class ids), the "overlay", and more."""
        look = look or Look()
        pixels = rgb_pixels(image)
        ids = inference.mask(self, pixels)
        return {
            "mask": mask_picture(ids, look.colours),
            "overlay": overlay(Image.fromarray(pixels), ids, self.class_names, look.opacity, look.palette),
        }

    def begin_training(self, crop: int | None, repeats: bool) -> None:
        """Called once before the first step, with the side of the training images where they share one.

        repeats: whether an image is seen in a few variants, again and again.
        """

    def objects(self, images: Tensor) -> list[tuple[FoundObjects, FoundSegments]]:
        """What a model that tells objects apart finds in each of the images (B, 3, H, W)."""
        raise NotImplementedError(f"{self.spec.model} tells no objects apart")

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W) of RGB images float (B, 3, H, W) in [0, 1]."""
        height, width = images.shape[-2:]
        return self.logits(self.prepare(images))[..., :height, :width]

    def prepare(self, images: Tensor) -> Tensor:
        """Normalised images, padded at the lower and right edge to multiples of the stride."""
        height, width = images.shape[-2:]
        pad = (0, -width % self.stride, 0, -height % self.stride)
        images = (images - self.mean) / self.std
        return functional.pad(images, pad, mode="replicate") if any(pad) else images

    @abstractmethod
    def logits(self, prepared: Tensor) -> Tensor:
        """Logits (B, K, H, W) of prepared images (B, 3, H, W)."""

    def training_loss(
        self,
        images: Tensor,
        masks: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
        shown: Sequence[Shown] | None = None,
    ) -> Tensor:
        """Scalar loss of images (B, 3, H, W) and masks int64 (B, H, W); 255 is ignored.

        shown: the class ids in each mask. Who made the masks knows them; to ask a device would wait for it.
        Where the model tells objects apart, numbers of segments with their classes, as its masks have them.
        """
        return criterion(self(images), masks)

    @abstractmethod
    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that pretraining may have given, for which a smaller learning rate is usual."""

    @abstractmethod
    def save_pretrained(self, folder: Path) -> None:
        """Writes the library's own files (it can load them without us) and the spec."""
