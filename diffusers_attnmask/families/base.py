"""What the tap has to know about a family of pipelines: where it attends and how it reads text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from diffusers_attnmask.attention.layers import AttentionLayer


class Family(ABC):
    """One family of diffusers pipelines. All answers are about a pipeline, none is kept."""

    name: ClassVar[str]
    pipelines: ClassVar[frozenset[str]]  # class names; their subclasses belong to the family too
    defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # options that a method needs on these models

    @abstractmethod
    def denoiser(self, pipe: Any) -> nn.Module:
        """The model whose forward pass is one step and whose first argument is the latents."""

    @abstractmethod
    def layers(self, pipe: Any) -> Sequence[AttentionLayer]:
        """Its attention layers."""

    @abstractmethod
    def texts(self, pipe: Any, arguments: Mapping[str, Any]) -> list[tuple[Any, list[str]]] | None:
        """Each tokenizer with its prompts, from the arguments of `encode_prompt`; None without a prompt."""

    @abstractmethod
    def encode(self, encode_prompt: Callable, arguments: Mapping[str, Any], text: str) -> Tensor:
        """Any text as the cross-attention takes it, (S, D), under the same settings as `arguments`."""

    @abstractmethod
    def context_width(self, pipe: Any) -> int:
        """D of the encoded text."""

    @abstractmethod
    def step_arguments(self, pipe: Any, prompt: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        """What the denoiser needs beside latents and timestep to look at images of a size under prompts."""
