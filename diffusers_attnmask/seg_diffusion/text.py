"""The text that conditions the UNet: one sentence for each phrase of a class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..classes import ClassSpec


def class_embeddings(
    tokenizer: Any, text_encoder: Any, template: str, classes: Sequence[ClassSpec]
) -> Tensor:
    """Text (C, T, D) of the classes; that of a class with several phrases is the mean of theirs."""
    embeddings = []
    for spec in classes:
        if spec.embeddings:
            raise TypeError(f"class {spec.name!r}: words say what to segment, learnt tokens cannot")
        sentences = [template.format(phrase) for phrase in spec.texts]
        embeddings.append(sentence_embeddings(tokenizer, text_encoder, sentences).mean(dim=0))
    return torch.stack(embeddings)


def sentence_embeddings(tokenizer: Any, text_encoder: Any, sentences: Sequence[str]) -> Tensor:
    """Text (N, T, D) of whole sentences; one that is too long is an error."""
    limit = tokenizer.model_max_length
    tokens = tokenizer(list(sentences), padding="max_length", max_length=limit, truncation=False).input_ids
    for sentence, ids in zip(sentences, tokens, strict=True):
        if len(ids) > limit:
            raise ValueError(
                f"{sentence!r} has {len(ids)} tokens, {limit} is the limit: name the class more briefly"
            )
    return text_encoder(torch.tensor(tokens, device=text_encoder.device))[0]
