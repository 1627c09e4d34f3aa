"""What all families whose denoiser is a transformer share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.families.base import Call, Family, check_tokenizer, flowed, last_rows
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt


class TransformerFamily(Family):
    """A transformer over squares of latent cells, by default sampled by flow matching."""

    conditional: ClassVar[str] = "cond"  # what pipelines call the pass under the prompts, where they do
    text_input: ClassVar[str] = "encoder_hidden_states"  # of the denoiser
    latents_input: ClassVar[str] = "hidden_states"
    tokenizer: ClassVar[str] = "tokenizer"  # of the text that the denoiser reads
    prompts: ClassVar[tuple[str, ...]] = ("prompt",)  # arguments with that text, the first that is given

    def denoiser(self, pipe: Any) -> nn.Module:
        return pipe.transformer

    def patch(self, pipe: Any) -> int:
        """Cells of the latent grid to a side of one place of the image."""
        return pipe.transformer.config.patch_size

    def side_multiple(self, pipe: Any) -> int:
        return self.pixels_per_cell(pipe) * self.patch(pipe)

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

    def splits(self, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
        prompts = prompts_of(arguments, *self.prompts)
        if prompts is None:
            return None
        check_tokenizer(pipe, self.tokenizer)
        return by_prompt([self.split_all(pipe, prompts, arguments)])

    def split_all(self, pipe: Any, texts: Sequence[str], arguments: Mapping[str, Any]) -> list[SplitPrompt]:
        """The prompts of a call as the tokenizer splits them."""
        return [self.split(pipe, text, arguments) for text in texts]

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        """One prompt as the tokenizer splits it; families with one text encoder have this."""
        raise TypeError(f"{self.name} splits prompts by several tokenizers")

    def look(self, pipe: Any, latents: Tensor, noise: Tensor, strength: float, conditions: dict) -> None:
        noisy = flowed(latents, noise, strength)
        self.denoise(pipe, noisy, strength, conditions)

    @abstractmethod
    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        """One pass over latents (B, C, h, w) at a noise level in (0, 1]."""


def prompts_of(arguments: Mapping[str, Any], *names: str) -> list[str] | None:
    """The prompts that a text encoder reads: the first of the arguments that is given."""
    for name in names:
        prompt = arguments.get(name)
        if prompt is not None:
            return [prompt] if isinstance(prompt, str) else list(prompt)
    return None


def by_prompt(per_encoder: Sequence[Sequence[SplitPrompt]]) -> list[list[SplitPrompt]]:
    """From each encoder's prompts to each prompt's encoders."""
    return [list(splits) for splits in zip(*per_encoder, strict=True)]


def split_after_template(
    pipe: Any, tokenizer: Any, text: str, template: str, most: int, expand: Callable[[str], str] = str
) -> SplitPrompt:
    """A prompt within a pipeline's template, of whose beginning the model reads nothing.

    most: how many tokens behind the dropped ones are read.
    """
    dropped = pipe.prompt_template_encode_start_idx
    return split_prompt(tokenizer, text, expand, dropped + most, -dropped, template)
