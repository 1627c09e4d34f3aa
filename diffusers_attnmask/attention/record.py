"""What was recorded of one image, as the mask methods read it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from diffusers_attnmask.attention.layers import AttentionLayer, cross_levels
from diffusers_attnmask.attention.recorder import SELF, Reading, Recorder, slot_of
from diffusers_attnmask.words.classes import ClassSpec, with_background


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """The attention of one image: its place in the call, its classes, and the running means of the call."""

    image: int
    specs: tuple[ClassSpec, ...]
    recorder: Recorder
    pixels_per_latent: int

    @property
    def class_names(self) -> list[str]:
        return with_background(self.specs)

    @property
    def latent_size(self) -> tuple[int, int]:
        return self.recorder.latent_size

    @property
    def image_size(self) -> tuple[int, int]:
        height, width = self.latent_size
        return height * self.pixels_per_latent, width * self.pixels_per_latent

    @property
    def cross_levels(self) -> set[int]:
        return cross_levels(self.recorder.layers)

    def cross_maps(self, reading: Reading) -> list[tuple[AttentionLayer, Tensor]]:
        """Mean over steps of every layer that the reading covers: (heads or 1, T, h, w) each."""
        return [
            (layer, self._mean(reading, layer)) for layer in self.recorder.layers if reading.covers(layer)
        ]

    def self_map(self, reading: Reading) -> Tensor:
        """Self-attention averaged over heads, layers and steps: (N, N)."""
        covered = [layer for layer in self.recorder.layers if reading.covers(layer)]
        if not covered:
            raise ValueError(f"the model has no self-attention at levels {reading.levels}")
        return self._mean(reading, covered[0])

    def class_columns(self, source: str) -> tuple[tuple[int, ...], ...]:
        """Per class, which of the T recorded columns are its tokens."""
        return self.recorder.queries[self.image].columns(source)

    def _mean(self, reading: Reading, layer: AttentionLayer) -> Tensor:
        mean = self.recorder.means.get(slot_of(reading, layer, self.image))
        if mean is None:
            kind = "self-attention" if reading.source == SELF else "cross-attention"
            raise ValueError(
                f"the {kind} of {layer.name} was not recorded: name the method (with its options) before "
                f"sampling, and leave {type(layer.module.processor).__name__} only if it calls "
                "scaled_dot_product_attention"
            )
        return mean.mean()
