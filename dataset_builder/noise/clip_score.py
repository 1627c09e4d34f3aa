"""How well images match their prompts: the cosine similarity of a CLIP model in transformers' format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from PIL import Image
from torch.nn.functional import cosine_similarity

from dataset_builder.seeing_models import seeing_model


def clip(model: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A CLIP and its processor."""
    network, processor = seeing_model("AutoModel", model, weights=weights)
    if not hasattr(network, "get_image_features"):
        raise ValueError(f"{model} is no CLIP: it has no image features")
    return network, processor


class ClipScore:
    """A CLIP of any kind that transformers loads (CLIP, SigLIP ...), by folder or Hub name."""

    def __init__(self, model: str, device: str = "cpu") -> None:
        self.model, self.processor = clip(model)
        self.model.to(device)

    @torch.no_grad()
    def __call__(self, images: list[Image.Image], prompts: list[str]) -> list[float]:
        """Similarities in [-1, 1]; prompts are cut to the model's length."""
        inputs = self.processor(
            text=prompts, images=images, return_tensors="pt", padding="max_length", truncation=True
        ).to(self.model.device)
        outputs = self.model(**inputs)
        return cosine_similarity(outputs.image_embeds, outputs.text_embeds).tolist()

    def over(self, pairs: Iterable[tuple[Image.Image, str]], batch_size: int = 16) -> Iterator[float]:
        """The score of each pair, in batches."""
        batch: list[tuple[Image.Image, str]] = []
        for pair in pairs:
            batch.append(pair)
            if len(batch) == batch_size:
                yield from self(*map(list, zip(*batch, strict=True)))
                batch = []
        if batch:
            yield from self(*map(list, zip(*batch, strict=True)))
