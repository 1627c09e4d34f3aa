"""What recording has to know of a family of pipelines: where it attends, what a pass is, how it reads
text.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from diffusers import ModelMixin
from torch import Tensor, nn

from diffusers_attnmask.attention.look import Layout
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.words.alignment import SplitPrompt


@dataclass(frozen=True)
class Call:
    """One call of a pipeline: the arguments of its `encode_prompt`, what that returned, how many images.

    The number of images is 0 until it is known.
    """

    arguments: Mapping[str, Any]
    encoded: Any
    images: int = 0
    sizes: dict[tuple[int, ...], tuple[int, int]] = field(default_factory=dict)  # of latents, once found
    lengths: dict[int, tuple[int, ...]] = field(default_factory=dict)  # of the texts, by images


class Family(ABC):
    """One family of diffusers pipelines. All answers are about a pipeline, none is kept."""

    name: ClassVar[str]
    pipelines: ClassVar[frozenset[str]]  # class names; their subclasses belong to the family too
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # options that a method needs on these models
    default_method: ClassVar[str] = "diffumask"  # of a model that has no settings of its own
    parts: ClassVar[Mapping[int, int]] = {1: 0}  # of how many parts of a batch, which has the prompts
    prompt_encoder: ClassVar[str] = "encode_prompt"  # the pipelines' method
    encodes_to_length: ClassVar[bool] = False  # whether `encode` heeds the call's `max_sequence_length`
    encodings: ClassVar[int] = 1  # how often one call may run it, the first time for its prompts

    @property
    def text_to_image(self) -> str:
        """The family's plain pipeline class: the names of all others add to its name."""
        return min(self.pipelines, key=len)

    @abstractmethod
    def denoiser(self, pipe: Any) -> ModelMixin:
        """The model whose forward pass is one pass."""

    @abstractmethod
    def sites(self, pipe: Any) -> tuple[Site, ...]:
        """Its attention layers, in the order in which they run."""

    @abstractmethod
    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        """What a pass with these inputs of the denoiser holds; None where it has none of the prompts.

        context: what the pipeline calls the pass ("cond", "uncond"), where it does.
        """

    def parts_of(self, pipe: Any) -> Mapping[int, int]:
        """`parts`; with perturbed attention, whose part is the last: away from, prompts, perturbed."""
        if getattr(pipe, "do_perturbed_attention_guidance", False):
            return {1: 0, 2: 0, 3: 1}
        return self.parts

    @abstractmethod
    def layout(self, site: Site, passing: Pass) -> Layout:
        """Where a site has the image and the text."""

    @abstractmethod
    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        """Each prompt as every text encoder's tokenizer splits it; None where the call has no prompt."""

    def split_text(
        self, pipe: Any, text: str, arguments: Mapping[str, Any] | None = None
    ) -> list[SplitPrompt]:
        """Any text as every text encoder's tokenizer splits it, and as much of it as `encode` encodes."""
        length = given(arguments or {}, "max_sequence_length") if self.encodes_to_length else {}
        splits = self.splits(pipe, {"prompt": text, **length})
        assert splits is not None
        return splits[0]

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        """Any texts as the model takes them, (S, D) each, under the same settings as `arguments`.

        A family that compares words beside its prompt with the image has this.
        """
        raise TypeError(f"{self.name} has no text beside which words could go")

    def spoken(self, arguments: Mapping[str, Any], prompt: str | list[str]) -> dict[str, Any]:
        """The arguments of `encode_prompt` with the text that the caller's embeddings stand for."""
        return {**arguments, "prompt": prompt, "prompt_2": None, "prompt_3": None}

    def prompts_embedded(self, arguments: Mapping[str, Any]) -> int:
        """How many prompts the caller's embeddings hold."""
        return len(arguments["prompt_embeds"])

    def images_per_prompt(self, pipe: Any, arguments: Mapping[str, Any]) -> int | None:
        """As `encode_prompt` was told; None where it is not told."""
        return arguments.get("num_images_per_prompt") or 1

    def images_per_prompt_in(self, call: Call, inputs: Mapping[str, Any]) -> int:
        """By the inputs of a call's first pass, where `encode_prompt` is not told."""
        raise TypeError(f"{self.name} knows its images per prompt before the first pass")

    def check_call(  # noqa: B027  most have nothing to refuse
        self, pipe: Any, arguments: Mapping[str, Any], splits: Sequence[Sequence[SplitPrompt]] | None
    ) -> None:
        """Refuse a call whose words cannot be found where they are expected."""

    @abstractmethod
    def context_width(self, pipe: Any) -> int:
        """D of the encoded text."""

    @abstractmethod
    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        """What the denoiser needs beside latents and timestep to look at images of a size under prompts."""

    def pixels_per_cell(self, pipe: Any) -> int:
        """Pixels of the image to a side of one cell of the latent grid."""
        return pipe.vae_scale_factor

    def native_side(self, pipe: Any) -> int:
        """Pixels to a side of the images that the model was made for."""
        cells = getattr(pipe, "default_sample_size", None) or self.denoiser(pipe).config.sample_size
        return cells * self.pixels_per_cell(pipe)

    def side_multiple(self, pipe: Any) -> int:
        """What the sides of an image must be multiples of, in pixels."""
        return self.pixels_per_cell(pipe)

    def check_plain_input(self, pipe: Any) -> None:  # noqa: B027
        """Refuse a denoiser that takes more than noisy latents, as those for inpainting do."""

    def encoded_pixels(self, pipe: Any, pixels: Tensor) -> Tensor:
        """Latents (B, C, h, w), scaled as the denoiser takes them, of pixels (B, 3, H, W) in [−1, 1]."""
        vae = pipe.vae
        latents = vae.encode(pixels).latent_dist.mode()
        return (latents - (vae.config.get("shift_factor") or 0.0)) * vae.config.scaling_factor

    @abstractmethod
    def look(self, pipe: Any, latents: Tensor, noise: Tensor, strength: float, conditions: dict) -> None:
        """One pass over latents with noise of a strength in (0, 1], for a trace to hear."""


def check_text_encoder(pipe: Any) -> None:
    """Refuse to encode words where the encoders were dropped after the prompts."""
    encoders = [part for name, part in pipe.components.items() if name.startswith("text_encoder")]
    if all(part is None for part in encoders):
        raise ValueError(
            "the class words cannot be encoded without a text encoder: keep it, or use a method that reads "
            "the prompt's own words, such as 'diffumask' or 'daam'"
        )


def given(arguments: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of some arguments that a call was given."""
    return {name: arguments[name] for name in names if arguments.get(name) is not None}


def check_tokenizer(pipe: Any, name: str) -> None:
    """Refuse a pipeline whose tokenizer was dropped."""
    if getattr(pipe, name) is None:
        raise ValueError(f"the pipeline has no {name} to find words with: keep it, it is small")


def inputs_of(module: nn.Module, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """A forward pass's arguments by name."""
    return {**dict(zip(_parameters(type(module).forward), args, strict=False)), **kwargs}


@functools.cache
def _parameters(forward: Callable[..., Any]) -> tuple[str, ...]:
    return tuple(inspect.signature(forward).parameters)[1:]


def last_rows(batch: int, images: int, parts: Mapping[int, int], what: str) -> slice:
    """The rows of the images under their prompts, in a batch of equal parts.

    parts: for each number of parts that the family knows, which of them has the prompts.
    """
    count, rest = divmod(batch, images)
    if rest or count not in parts:
        raise ValueError(
            f"the {what} was given {batch} latents for {images} images: masks are read from plain "
            "sampling and "
            "from guidance that the family knows"
        )
    start = parts[count] * images
    return slice(start, start + images)


def diffused(latents: Tensor, noise: Tensor, alpha: Tensor) -> Tensor:
    """The forward process at the noise level whose cumulative α is given (Ho et al. 2020, eq. 4)."""
    alpha = alpha.to(latents)
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise


def flowed(latents: Tensor, noise: Tensor, sigma: float) -> Tensor:
    """The straight path from image to noise (Lipman et al. 2023): (1 − σ) x + σ ε."""
    return torch.lerp(latents, noise, sigma)
