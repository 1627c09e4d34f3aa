"""OVAM: DAAM's maps for any words, also absent from the prompt (Marcos-Manchón et al., CVPR 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from diffusers_attnmask.attention.recorder import WORDS
from diffusers_attnmask.methods.daam import Daam


@dataclass(frozen=True, kw_only=True)
class Ovam(Daam):
    """DAAM's options; the keys come from the text encoding of the class words, or from learned embeddings."""

    name: ClassVar[str] = "ovam"
    reads_prompt: ClassVar[bool] = False
    reads_words: ClassVar[bool] = True
    source: ClassVar[str] = WORDS
