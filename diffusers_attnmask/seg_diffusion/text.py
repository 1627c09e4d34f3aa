"""The text that conditions the UNet: one sentence for each phrase of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from diffusers_attnmask.words.classes import ClassSpec


@dataclass(frozen=True)
class Sentences:
    """What turns classes into text; `device` is where the text encoder runs, which offloading may leave."""

    tokenizer: Any
    text_encoder: Any
    template: str
    device: torch.device

    def of_classes(self, classes: Sequence[ClassSpec]) -> Tensor:
        """Text (C, T, D); that of a class with several phrases is the mean of theirs."""
        for spec in classes:
            if spec.embeddings:
                raise TypeError(f"class {spec.name!r}: words say what to segment, learnt tokens cannot")
        return torch.stack([self.embeddings(spec.texts).mean(dim=0) for spec in classes])

    def embeddings(self, phrases: Sequence[str]) -> Tensor:
        """Text (N, T, D) of phrases; one that is too long is an error."""
        sentences = [self.template.format(phrase) for phrase in phrases]
        limit = self.tokenizer.model_max_length
        tokens = self.tokenizer(sentences, padding="max_length", max_length=limit, truncation=False).input_ids
        for sentence, ids in zip(sentences, tokens, strict=True):
            if len(ids) > limit:
                raise ValueError(
                    f"{sentence!r} has {len(ids)} tokens, {limit} is the limit: name the class more briefly"
                )
        return self.text_encoder(torch.tensor(tokens, device=self.device))[0]
