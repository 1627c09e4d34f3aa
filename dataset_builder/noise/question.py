"""Whether a class is in a picture, in the eyes of a vision-language model of transformers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from dataset_builder.noise.coverage import class_coverage
from dataset_builder.prompts.templates import indefinite
from dataset_builder.seeing_models import seeing_model
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.device import best_device
from train_segmenter.data import Source

QUESTION = "Is there {class} in this picture? Answer yes or no."
YES, NO = ("yes", "Yes", " yes", " Yes", "YES"), ("no", "No", " no", " No", "NO")
BATCH = 8  # questions at once


class Questioner:
    """A model that reads pictures and writes text (`AutoModelForImageTextToText`), by folder or Hub name."""

    def __init__(self, model: str) -> None:
        self.model, self.processor = conversing(model)
        self.processor.tokenizer.padding_side = "left"  # the answer comes after the last token of each
        self.model.to(best_device())
        self.yes, self.no = first_tokens(self.processor.tokenizer, model)

    @torch.no_grad()
    def __call__(self, images: Sequence[Image.Image], names: Sequence[str]) -> list[float]:
        """The probability of yes, as a share of yes and no, for each image and the class asked for."""
        texts = [self.conversation(name) for name in names]
        begun = texts[0].startswith(self.processor.tokenizer.bos_token or "\n")
        inputs = self.processor(
            text=texts,
            images=[[image] for image in images],
            padding=True,
            return_tensors="pt",
            add_special_tokens=not begun,
        )
        logits = self.model(**inputs.to(self.model.device, self.model.dtype)).logits[:, -1].float()
        return (logits[:, self.yes].logsumexp(-1) - logits[:, self.no].logsumexp(-1)).sigmoid().tolist()

    def conversation(self, name: str) -> str:
        """The question about a picture, in the model's own form, up to where its answer begins."""
        content = [{"type": "image"}, {"type": "text", "text": question(name)}]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )


def check_questioner(model: str) -> None:
    """Raise unless a model can be asked; its weights are not read."""
    _, processor = conversing(model, weights=False)
    first_tokens(processor.tokenizer, model)


def conversing(model: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A model that can be asked about a picture, and its processor."""
    network, processor = seeing_model("AutoModelForImageTextToText", model, weights=weights)
    if network.config.is_encoder_decoder or not getattr(processor, "chat_template", None):
        raise ValueError(
            f"{model} holds no conversation ({type(network).__name__}): name a model with a chat template, "
            "such as HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
        )
    return network, processor


def question(name: str) -> str:
    """
    >>> question("aeroplane")
    'Is there an aeroplane in this picture? Answer yes or no.'
    """
    return QUESTION.replace("{class}", f"{indefinite(name)} {name}")


def first_tokens(tokenizer: Any, model: str) -> tuple[list[int], list[int]]:
    """The tokens with which yes begins, and those of no, however they are written."""
    yes, no = ({tokenizer.encode(word, add_special_tokens=False)[0] for word in words} for words in (YES, NO))
    if yes & no:
        raise ValueError(f"{model} does not tell yes from no by the first token: name another model")
    return sorted(yes), sorted(no)


def answers(source: Source, ask: Questioner, progress: bool = True) -> list[dict[int, float]]:
    """By class id, the probability that each pair's classes are in its picture."""
    names = source.class_names
    shown = (class_coverage(source[index].mask, names) for index in range(len(source)))
    asked = [(index, own) for index, classes in enumerate(shown) for own in classes]
    found: list[dict[int, float]] = [{} for _ in range(len(source))]
    for start in bar(range(0, len(asked), BATCH), "asking about classes", unit="batch", shown=progress):
        part = asked[start : start + BATCH]
        images = [Image.fromarray(source[index].image) for index, _ in part]
        told = ask(images, [names[own] for _, own in part])
        for (index, own), yes in zip(part, told, strict=True):
            found[index][own] = yes
    return found
