"""What all families whose denoiser is a transformer share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.families.base import Call, Family, flowed, last_rows


class TransformerFamily(Family):
    """A transformer over squares of latent cells, by default sampled by flow matching."""

    conditional: ClassVar[str] = "cond"  # what pipelines call the pass under the prompts, where they do
    text_input: ClassVar[str] = "encoder_hidden_states"  # of the denoiser
    latents_input: ClassVar[str] = "hidden_states"

    def denoiser(self, pipe: Any) -> nn.Module:
        return pipe.transformer

    def patch(self, pipe: Any) -> int:
        """Cells of the latent grid to a side of one place of the image."""
        return pipe.transformer.config.patch_size

    def side_multiple(self, pipe: Any) -> int:
        return pipe.vae_scale_factor * self.patch(pipe)

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        text = inputs[self.text_input]
        if context not in (None, self.conditional) or (
            context is None and not self.holds_prompts(call, text)
        ):
            return None
        batch = len(inputs[self.latents_input])
        rows = last_rows(batch, call.images, self.parts_of(pipe), type(pipe.transformer).__name__)
        return Pass(rows, self.latent_size(pipe, call, inputs), text_tokens=text.shape[1])

    def holds_prompts(self, call: Call, text: Tensor) -> bool:
        """Whether a pass is under the prompts, where guidance takes a pass of its own for what it leads away
        from.

        Families that guide by one batch always hold them.
        """
        return True

    def latent_size(self, pipe: Any, call: Call, inputs: Mapping[str, Any]) -> tuple[int, int]:
        height, width = inputs[self.latents_input].shape[-2:]
        return height, width

    def look(self, pipe: Any, latents: Tensor, noise: Tensor, strength: float, conditions: dict) -> None:
        noisy = flowed(latents, noise, strength)
        self.denoise(pipe, noisy, strength, conditions)

    @abstractmethod
    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        """One pass over latents (B, C, h, w) at a noise level in (0, 1]."""
