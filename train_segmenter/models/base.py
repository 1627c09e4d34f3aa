"""The interface that training and evaluation see: images in, logits at image size out."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from diffusers_attnmask.ground.atomic_files import write_text

if TYPE_CHECKING:
    from train_segmenter.training.options import TrainOptions

SPEC_FILE = "segmenter.json"
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SegmenterSpec:
    """What a model folder says beside the library's own files: name, classes by id, normalisation of RGB."""

    model: str
    class_names: tuple[str, ...]
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

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
        content = json.loads(file.read_text(encoding="utf-8"))
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in content.items()}
        )


class Segmenter(nn.Module, ABC):
    """A library's network behind one interface. Images are RGB float (B, 3, H, W) in [0, 1], of any size."""

    stride = 32  # sides are padded to multiples of it for the network, and the logits cut back
    open_vocabulary = False  # whether `for_classes` takes any words

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
    def settings(self) -> dict[str, Any]:
        """Plain values that a training records over its own options, and that must not change on resuming."""
        return {}

    def for_classes(self, class_names: Sequence[str]) -> Segmenter:
        """The model for these classes by id: itself, where it is not asked for other classes."""
        if tuple(class_names) != self.class_names:
            raise ValueError(
                f"The model knows {', '.join(self.class_names)}, the data {', '.join(class_names)}; name the "
                "model's classes with --classes."
            )
        return self

    def sampled(self, **options: float) -> Segmenter:
        """The model with other options of sampling, where it samples."""
        raise ValueError(f"{self.spec.model} samples nothing: leave {', '.join(options)} out.")

    def begin_training(self, options: TrainOptions) -> None:
        """Called once before the first step, for what depends on how the training goes."""

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, K, H, W)."""
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
        self, images: Tensor, masks: Tensor, criterion: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Scalar loss of images (B, 3, H, W) and masks int64 (B, H, W); 255 is ignored."""
        return criterion(self(images), masks)

    @abstractmethod
    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that pretraining may have given, for which a smaller learning rate is usual."""

    @abstractmethod
    def save_pretrained(self, folder: Path) -> None:
        """Writes the library's own files (it can load them without us) and the spec."""
