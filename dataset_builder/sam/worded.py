"""SAM 3 asked by words: every object that a word stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from dataset_builder.sam.embedding import Embedded, check_torchvision, embedded
from dataset_builder.sam.prompted import repeated
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model

AT_ONCE = 4  # words; each asks for hundreds of masks


@dataclass(frozen=True, eq=False)
class Found:
    """The objects of one word, by falling score: masks bool (N, H, W), and scores (N,) in [0, 1]."""

    masks: Tensor
    scores: Tensor


@dataclass(frozen=True, eq=False)
class WordedSam:
    """network: a `Sam3Model` in fp32; dtype: in which pictures are embedded."""

    network: Any
    processor: Any
    device: str
    dtype: torch.dtype
    known: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)  # words that were asked before

    @classmethod
    def load(cls, model: str, device: str, dtype: torch.dtype) -> WordedSam:
        import transformers

        kind: Any = transformers.Sam3Model
        check_torchvision()
        with within_reach(model, "model"), readable_model(model):
            network = kind.from_pretrained(model, dtype=torch.float32, **TENSORS_ALONE)
            processor = transformers.AutoProcessor.from_pretrained(model)
        return cls(network.to(device).eval(), processor, device, dtype)

    def embedded(self, image: np.ndarray) -> Embedded:
        """An image uint8 (H, W, 3); its features are the vision encoder's whole output."""
        encode = self.network.get_vision_features
        return embedded(image, self.processor.image_processor, encode, self.device, self.dtype)

    def found(self, picture: Embedded, words: Sequence[str], score: float) -> list[Found]:
        """What the picture shows of each word, with at least a score."""
        parts = (words[start : start + AT_ONCE] for start in range(0, len(words), AT_ONCE))
        return [found for part in parts for found in self._found(picture, part, score)]

    def maps(self, image: np.ndarray, words: Sequence[str], score: float) -> Tensor:
        """For each word, the score of the surest object that covers a pixel, at least `score` or 0: float32
        (len(words), H, W) of an image uint8 (H, W, 3)."""
        maps = torch.zeros(len(words), *image.shape[:2], device=self.device)
        for place, found in enumerate(self.found(self.embedded(image), words, score)):
            if len(found.masks):
                maps[place] = (found.masks * found.scores[:, None, None]).amax(0)
        return maps

    @torch.no_grad()
    def _found(self, picture: Embedded, words: Sequence[str], score: float) -> Iterator[Found]:
        texts, present = zip(*map(self._text, words), strict=True)
        seen = type(picture.features)(
            fpn_hidden_states=repeated(picture.features.fpn_hidden_states, len(words)),
            fpn_position_encoding=repeated(picture.features.fpn_position_encoding, len(words)),
        )
        asked = BaseModelOutputWithPooling(pooler_output=torch.stack(texts))
        said = self.network(vision_embeds=seen, text_embeds=asked, attention_mask=torch.stack(present))
        scores = said.pred_logits.sigmoid() * said.presence_logits.sigmoid()  # (words, queries)
        for own, logits in zip(scores, said.pred_masks, strict=True):
            order = own.argsort(descending=True, stable=True)
            order = order[own[order] >= score]
            if len(order):
                masks = picture.frame.back(logits[order].sigmoid()[None])[0] > 0.5
            else:
                masks = torch.zeros(0, *picture.frame.own, dtype=torch.bool, device=self.device)
            yield Found(masks, own[order])

    @torch.no_grad()
    def _text(self, word: str) -> tuple[Tensor, Tensor]:
        """The features (L, D) of a word's tokens, and which of them are no padding (L,)."""
        if word not in self.known:
            length = self.network.config.text_config.max_position_embeddings
            tokens = self.processor.tokenizer(
                [word], padding="max_length", truncation=True, max_length=length, return_tensors="pt"
            ).to(self.device)
            text = self.network.get_text_features(tokens["input_ids"], tokens["attention_mask"])
            self.known[word] = text.pooler_output[0], tokens["attention_mask"][0]
        return self.known[word]


def surest(maps: Tensor) -> Tensor:
    """Labels (H, W) uint8, i+1 for the highest of maps (C, H, W), 0 where none is above 0."""
    best, place = maps.max(0)
    return torch.where(best > 0, place + 1, 0).to(torch.uint8)
