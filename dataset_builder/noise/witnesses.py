"""Who is asked about the pairs beside the segmenters, and what they say before any of those is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from dataset_builder.noise.clip_score import ClipScore, clip
from dataset_builder.noise.duplicates import HASH_BITS, duplicates, perceptual_hash
from dataset_builder.noise.filtering import named
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.question import Questioner, answers, check_questioner
from dataset_builder.noise.second_labeller import (
    Label,
    agreements,
    check_labeller,
    check_second,
    labeller,
)
from diffusers_attnmask.ground.options import Fault, Name, OptionsError, options
from train_segmenter.data import Source

HASH = "hash"
WITNESS_OF = {  # a bound, and who must be asked for it
    "least_clip": ("clip", "a model that scores prompts"),
    "least_agreement": ("second", "a second labeller"),
    "least_yes": ("ask", "a vision-language model"),
}


@options(kw_only=True)
class Witnesses:
    """clip: a CLIP that scores prompts, in transformers' format. second: a second labeller, a mask method's
    name, or the folder or repository of a trained segmenter or of a SAM; second_model: the diffusion model
    whose attention such a method reads, by default the bundled one. ask: a vision-language model that is
    asked whether classes are there.
    """

    clip: Name | None = None
    second: Name | None = None
    second_model: Name | None = None
    ask: Name | None = None

    def check(self, prune: PruneOptions) -> None:
        """Raise where a bound is set on what nobody is asked."""
        for bound, (witness, kind) in WITNESS_OF.items():
            if getattr(prune, bound) is not None and getattr(self, witness) is None:
                needed = f" needs {kind}: name one as {witness} (--{witness})"
                raise OptionsError([Fault(f"prune.{bound}", needed)])
        check_labeller(self.second, self.second_model)

    def asks_witnesses(self, prune: PruneOptions) -> bool:
        return any((self.clip, self.second, self.ask, prune.duplicates is not None))

    def check_models(self, class_names: tuple[str, ...]) -> None:
        """Raise unless all who are asked are there and of the right kind; no weights are read."""
        if self.clip:
            clip(self.clip, weights=False)
        if self.second:
            check_second(self.second, self.second_model, class_names)
        if self.ask:
            check_questioner(self.ask)

    def heard(self, class_names: tuple[str, ...], prune: PruneOptions, seed: int) -> HeardWitnesses:
        """Those who are asked, with their models."""
        return HeardWitnesses(
            ClipScore(self.clip) if self.clip else None,
            labeller(self.second, self.second_model, class_names, seed) if self.second else None,
            Questioner(self.ask) if self.ask else None,
            prune.duplicates is not None,
        )


@dataclass(frozen=True)
class HeardWitnesses:
    """hashes: whether pictures are to be told from their likes."""

    clip: ClipScore | None
    label: Label | None
    questioner: Questioner | None
    hashes: bool

    def testimony(self, source: Source, prompts: Sequence[str]) -> list[dict[str, Any]]:
        """What is said of each pair, by the fields of `Judged`; a hash stands under `HASH`."""
        names, told = source.class_names, [dict[str, Any]() for _ in range(len(source))]

        def add(field: str, values: Iterable[Any]) -> None:
            for own, value in zip(told, values, strict=True):
                own[field] = value

        if self.clip:
            pairs = ((Image.fromarray(source[own].image), prompts[own]) for own in range(len(source)))
            add("clip", self.clip.over(pairs))
        if self.hashes:
            hashes = (perceptual_hash(source[own].image) for own in range(len(source)))
            add(HASH, (np.packbits(own).tobytes().hex() for own in hashes))
        if self.label:
            found = agreements(source, self.label, progress=False)
            add("agreement", (named(own, names) for own in found))
        if self.questioner:
            said = answers(source, self.questioner, progress=False)
            add("answers", (named(own, names) for own in said))
        return told


def likes(hashes: Iterable[str], most_bits: int) -> dict[int, int]:
    """Of each picture that has an earlier one almost like it, which that is; by hashes as they are told."""
    packed = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8).reshape(-1, HASH_BITS // 8)
    return duplicates(list(np.unpackbits(packed, axis=1).astype(bool)), most_bits)
