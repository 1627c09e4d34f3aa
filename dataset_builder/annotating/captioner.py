"""Captions of pictures by an image-to-text model of transformers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from dataset_builder.seeing_models import Taker, seeing_model

ASKED = "Describe this picture in one sentence."  # of models that converse
LONGEST = 40  # tokens
TAKER: Taker = "AutoModelForImageTextToText"


def check_captioner(model: str) -> None:
    """Raise unless a model can write captions; its weights are not read."""
    seeing_model(TAKER, model, weights=False)


class Captioner:
    """A model that reads pictures and writes text (`AutoModelForImageTextToText`: BLIP, GIT, SmolVLM and
    others), by folder or Hub name. The likeliest token comes next, so that captions are always the same."""

    def __init__(self, model: str, device: str) -> None:
        self.model, self.processor = seeing_model(TAKER, model)
        self.model.to(device)
        self.converses = bool(getattr(self.processor, "chat_template", None))

    @torch.no_grad()
    def __call__(self, images: Sequence[Image.Image]) -> list[str]:
        """A caption of each picture, one after the other: their sizes and prompts differ."""
        return [self.caption(image) for image in images]

    def caption(self, image: Image.Image) -> str:
        asked = {"text": self.question()} if self.converses else {}
        inputs = self.processor(images=image, return_tensors="pt", **asked)
        inputs = inputs.to(self.model.device, self.model.dtype)
        tokens = self.model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False)
        begun = inputs["input_ids"].shape[1] if self.converses else 0
        return self.processor.decode(tokens[0, begun:], skip_special_tokens=True).strip()

    def question(self) -> str:
        content = [{"type": "image"}, {"type": "text", "text": ASKED}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
