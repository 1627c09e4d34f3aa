"""OVAM: DAAM's maps for any words, also absent from the prompt (Marcos-Manchón et al., CVPR 2024)."""

from __future__ import annotations

from typing import ClassVar

from diffusers_attnmask.attention.token_query import UNPADDED, WORDS
from diffusers_attnmask.ground.options import options
from diffusers_attnmask.methods.daam import Daam


@options(kw_only=True)
class Ovam(Daam):
    """DAAM's options; the keys come from the text encoding of the class words, or from learned embeddings.

    padded: the words stand in a text as long as a prompt, as the model was trained on. OVAM's own code
    compares the image with the words between their start and end token alone, `padded=False`.
    """

    name: ClassVar[str] = "ovam"
    reads_prompt: ClassVar[bool] = False
    reads_words: ClassVar[bool] = True

    padded: bool = True

    @property
    def source(self) -> str:  # type: ignore[override]
        return WORDS if self.padded else UNPADDED
