"""The captions nearest to a class by CLIP, as the publication took them from a retrieval service.

Text is compared with text: the embedding of a caption with that of "a photo of a {class}".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.prompts.caption_source import CaptionSource
from dataset_builder.prompts.options import RetrievalOptions
from dataset_builder.vocabulary import Vocabulary
from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.ground.bars import bar
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model

CHUNK = 8192  # captions in one file of the cache: what a stopped run may lose


def nearest_captions(
    source: CaptionSource, options: RetrievalOptions, vocabulary: Vocabulary
) -> CaptionSource:
    """The same source with, for each class, only its nearest captions, the nearest first."""
    embedder = TextEmbedder(options.model, options.batch_size)
    folder = Path(options.cache) if options.cache else default_cache()
    embeddings = np.concatenate(
        list(cached_embeddings([caption.text for caption in source.captions], embedder, folder))
        or [np.zeros((0, 1), np.float16)]
    )
    of_class = {}
    for name, places in source.of_class.items():
        query = embedder([options.query.replace("{class}", vocabulary[name].phrases[0])])[0]
        order = nearest(embeddings[list(places)], query, options.per_class)
        of_class[name] = [places[place] for place in order]
    used = {place for places in of_class.values() for place in places}
    rejected = dict(source.rejected)
    if dropped := len(source.captions) - len(used):
        rejected["is not among the nearest of its class"] = dropped
    return compact(replace(source, of_class=of_class, rejected=rejected), sorted(used))


def compact(source: CaptionSource, used: Sequence[int]) -> CaptionSource:
    """Without the captions that no class uses."""
    new = {old: place for place, old in enumerate(used)}
    return replace(
        source,
        captions=[source.captions[old] for old in used],
        of_class={name: [new[old] for old in places] for name, places in source.of_class.items()},
    )


def nearest(embeddings: np.ndarray, query: np.ndarray, count: int) -> list[int]:
    """Rows of embeddings (N, D) with the greatest inner product with the query (D,), the greatest first.

    FAISS does it where it is installed, through the index of `datasets`; the answer is the same.
    """
    count = min(count, len(embeddings))
    vectors = embeddings.astype(np.float32)
    if count and find_spec("faiss"):
        return faiss_nearest(vectors, query, count)
    return exact_nearest(vectors, query, count)


def exact_nearest(vectors: np.ndarray, query: np.ndarray, count: int) -> list[int]:
    return np.argsort(-(vectors @ query), kind="stable")[:count].tolist()


def faiss_nearest(vectors: np.ndarray, query: np.ndarray, count: int) -> list[int]:
    import faiss
    from datasets.search import FaissIndex

    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)  # FaissIndex.add_vectors would draw a progress bar for each class
    return FaissIndex(custom_index=index).search(query.astype(np.float32), k=count).indices.tolist()


def cached_embeddings(texts: Sequence[str], embedder: TextEmbedder, folder: Path) -> Iterator[np.ndarray]:
    """Embeddings float16 (chunk, D) of the texts in order; each chunk is computed once and kept in a file."""
    starts = range(0, len(texts), CHUNK)
    for start in bar(starts, "embedding captions", unit="chunk", shown=len(starts) > 1):
        chunk = texts[start : start + CHUNK]
        file = folder / f"{digest(embedder.identity, *chunk)}.npy"
        if not file.is_file():
            with replacing(file) as partial, partial.open("wb") as stream:
                np.save(stream, embedder(chunk).astype(np.float16))
        yield np.load(file)


class TextEmbedder:
    """The text half of a CLIP of transformers."""

    def __init__(self, model: str, batch_size: int) -> None:
        from transformers import AutoModel, AutoTokenizer

        from diffusers_attnmask.ground.device import best_device

        self.batch_size = batch_size
        with within_reach(model, "model"), readable_model(model):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(model)
            self.model: Any = AutoModel.from_pretrained(model, **TENSORS_ALONE).eval()
        self.model.to(best_device())
        if not hasattr(self.model, "get_text_features"):
            raise ValueError(
                f"{model!r} is a {type(self.model).__name__}, which embeds no texts: name a CLIP model"
            )

    @cached_property
    def identity(self) -> str:
        """Of weights and padding: a model trained on at the same path does not read its old embeddings."""
        state = self.model.state_dict()
        sums = (f"{name}{state[name].double().sum().item()!r}" for name in sorted(state))
        return digest(*sums, repr(self.tokenizing))

    @cached_property
    def tokenizing(self) -> dict[str, Any]:
        """How texts become tokens: SigLIP learnt from texts padded to its length, and reads the padding."""
        if not self.model.config.model_type.startswith("siglip"):
            return {"padding": True}
        length = self.model.config.text_config.max_position_embeddings
        return {"padding": "max_length", "max_length": length, "return_attention_mask": False}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors float32 (N, D)."""
        import torch

        batches = []
        for start in range(0, len(texts), self.batch_size):
            batch = list(texts[start : start + self.batch_size])
            tokens = self.tokenizer(batch, truncation=True, return_tensors="pt", **self.tokenizing)
            with torch.inference_mode():
                features = self.model.get_text_features(**tokens.to(self.model.device))
            features = getattr(features, "pooler_output", features)  # a plain tensor before transformers 5
            batches.append(torch.nn.functional.normalize(features.float(), dim=-1))
        return torch.cat(batches).cpu().numpy()


def default_cache() -> Path:
    from huggingface_hub.constants import HF_HOME

    return Path(HF_HOME) / "attnmask" / "captions"


def digest(*parts: str) -> str:
    hashed = sha256()
    for part in parts:
        hashed.update(f"{len(part)}:{part}".encode())
    return hashed.hexdigest()
