"""Who is asked about the pairs beside the segmenters, and what they say before any of those is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from tqdm import tqdm

from dataset_builder.noise.clip_score import ClipScore
from dataset_builder.noise.duplicates import duplicates, perceptual_hash
from dataset_builder.noise.filtering import named
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.question import Questioner, answers
from dataset_builder.noise.second_labeller import agreements, check_labeller, labeller
from diffusers_attnmask.ground.options import Fault, Name, OptionsError, options
from train_segmenter.data import HubPairs

WITNESS_OF = {  # a bound, and who must be asked for it
    "least_clip": ("clip", "a model that scores prompts"),
    "least_agreement": ("second", "a second labeller"),
    "least_yes": ("ask", "a vision-language model"),
}


@options(kw_only=True)
class Witnesses:
    """clip: a CLIP that scores prompts, in transformers' format. second: a second labeller, the folder of a
    trained segmenter or a mask method's name; second_model: the diffusion model whose attention such a method
    reads, by default the bundled one. ask: a vision-language model that is asked whether classes are there.
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

    def testimony(
        self, source: HubPairs, prune: PruneOptions, seed: int, progress: bool
    ) -> list[dict[str, Any]]:
        """What is said of each pair, by the fields of `Judged`."""
        names, told = source.class_names, [dict[str, Any]() for _ in range(len(source))]

        def add(field: str, values: Sequence[Any]) -> None:
            for own, value in zip(told, values, strict=True):
                own[field] = value

        if self.clip:
            add("clip", clip_scores(self.clip, source, progress))
        if prune.duplicates is not None:
            add("duplicate_of", duplicate_names(source, prune.duplicates, progress))
        if self.second:
            label = labeller(self.second, self.second_model, names, seed)
            add("agreement", [named(own, names) for own in agreements(source, label, progress)])
        if self.ask:
            said = answers(source, Questioner(self.ask), progress)
            add("answers", [named(own, names) for own in said])
        return told


def clip_scores(model: str, source: HubPairs, progress: bool) -> list[float]:
    prompts = source.dataset["prompt"]
    pairs = ((Image.fromarray(source[own].image), prompts[own] or "") for own in range(len(source)))
    scores = ClipScore(model).over(pairs)
    return list(tqdm(scores, "CLIP scores", total=len(source), disable=not progress))


def duplicate_names(source: HubPairs, most_bits: int, progress: bool) -> list[str | None]:
    """Of each pair, the earlier one that has almost the same picture."""
    shown = tqdm(range(len(source)), "hashing pictures", disable=not progress)
    found = duplicates([perceptual_hash(source[index].image) for index in shown], most_bits)
    return [source.name(found[index]) if index in found else None for index in range(len(source))]
