"""How well images match their prompts: the cosine similarity of a CLIP model in transformers' format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from PIL import Image
from torch.nn.functional import cosine_similarity

from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model


class ClipScore:
    """A CLIP of any kind that transformers loads (CLIP, SigLIP ...), by folder or Hub name."""

    def __init__(self, model: str, device: str = "cpu") -> None:
        from transformers import AutoModel, AutoProcessor

        with within_reach(model, "model"), readable_model(model):
            self.model = AutoModel.from_pretrained(model, **TENSORS_ALONE).to(device).eval()
            self.processor = AutoProcessor.from_pretrained(model)
        if not hasattr(self.model, "get_image_features"):
            raise ValueError(f"{model} is no CLIP: it has no image features")

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
