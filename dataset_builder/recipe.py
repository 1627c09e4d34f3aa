"""The recipe of a dataset: one frozen object for Python, YAML and the command line, deciding every byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from dataset_builder.vocabulary import Vocabulary, load_vocabulary, vocabulary_from
from diffusers_attnmask.ground.options import options_from

IMAGE_FORMATS = ("png", "jpeg", "webp")
DTYPES = ("float32", "float16", "bfloat16")
REFINEMENTS = ("none", "crf", "match", "affinity")
CRF_BACKENDS = ("torch", "pydensecrf")
UNCERTAIN = ("keep", "decide")
MISSING = object()


@dataclass(frozen=True)
class SamplingOptions:
    """How images are drawn.

    size: (height, width), by default the model's own. attempts: how often a pair is tried before it is
    skipped. threads: of the CPU, by default all; it is part of the recipe since it can change the last bit.
    """

    steps: int = 50
    guidance: float = 7.5
    size: tuple[int, int] | None = None
    batch_size: int = 8
    scheduler: str | None = None
    dtype: str = "float32"
    safety_checker: bool = True
    attempts: int = 2
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "attempts"):
            _at_least_one(f"sampling.{name}", getattr(self, name))
        _one_of("sampling.dtype", self.dtype, DTYPES)


@dataclass(frozen=True)
class Refinement:
    """What is done to a mask before it is kept.

    method: "none"; "crf" sharpens the method's mask; "match" takes the threshold whose sharpened mask
    overlaps it best; "affinity" is the published chain with a trained AffinityNet, the folder `network`.
    box_area: of parts that are dropped, in pixels of a 512 x 512 image. fill: close the holes of outlines,
    which the publication does and rings have. uncertain: "keep", or "decide" those pixels too (with "crf"
    or snap). whole_regions: give each region to one class, for pictures whose objects stand apart. snap:
    move outlines to the image's own edges.
    """

    method: str = "none"
    network: str | None = None
    backend: str = "torch"
    scale_crf: bool = True
    box_area: float = 1500
    fill: bool = True
    uncertain: str = "keep"
    whole_regions: bool = False
    snap: bool = False

    def __post_init__(self) -> None:
        _one_of("refinement.method", self.method, REFINEMENTS)
        _one_of("refinement.backend", self.backend, CRF_BACKENDS)
        _one_of("refinement.uncertain", self.uncertain, UNCERTAIN)
        if self.uncertain == "decide" and self.method == "none" and not self.snap:
            raise ValueError("refinement.uncertain decide needs a method that decides, as crf, or snap")
        if (self.method == "affinity") != (self.network is not None):
            raise ValueError(
                "refinement.network, the folder of a trained AffinityNet, goes with refinement.method "
                "affinity, and the method with it"
            )


@dataclass(frozen=True)
class Recipe:
    """What determines a dataset.

    vocabulary: a name, a YAML file, or what such a file would hold. model: a folder, a repository, or
    "bundled". method and method_options: as in `DiffuMaskPipeline`, by default the model's own. prompts:
    `PromptOptions`. maps: keep the class maps as a column, which `attnmask refine` starts from.
    """

    vocabulary: str | Mapping[str, Any]
    pairs: int = 1000
    shard_size: int = 256
    seed: int = 0
    model: str = "bundled"
    revision: str | None = None
    method: str | None = None
    method_options: Mapping[str, Any] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    refinement: Refinement = field(default_factory=Refinement)
    image_format: str = "png"
    image_quality: int = 95
    maps: bool = False
    license: str = "other"

    def __post_init__(self) -> None:
        for name in ("pairs", "shard_size"):
            _at_least_one(name, getattr(self, name))
        if self.seed < 0:
            raise ValueError(f"seed is 0 or more, not {self.seed}")
        if not 1 <= self.image_quality <= 100:
            raise ValueError(f"image_quality is between 1 and 100, not {self.image_quality}")
        _one_of("image_format", self.image_format, IMAGE_FORMATS)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], origin: str = "the recipe") -> Recipe:
        """A recipe from plain values; a name or a value that does not fit is one clear error."""
        values = dict(values)
        for name in ("method_options", "prompts"):
            values[name] = _section(values.get(name), f"{origin}: {name}")
        values["sampling"] = options_from(SamplingOptions, values.get("sampling"), f"{origin}: sampling")
        values["refinement"] = options_from(Refinement, values.get("refinement"), f"{origin}: refinement")
        return options_from(cls, values, origin)

    @classmethod
    def read(cls, recipe: str | Path) -> Recipe:
        """A recipe by the path of its YAML file, or by its bundled name. Files it names may lie beside it."""
        import recipes

        path = recipes.find(recipe)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as mistake:
            raise ValueError(f"{path} is not valid YAML: {mistake}") from mistake
        if not isinstance(content, dict):
            raise ValueError(f"{path} is not a recipe: it must be a list of `name: value` lines")
        content["vocabulary"] = _beside(path, content.get("vocabulary"))
        prompts = content.get("prompts")
        if isinstance(prompts, dict) and "captions" in prompts:
            prompts["captions"] = _beside(path, prompts["captions"])
        return cls.from_dict({k: v for k, v in content.items() if v is not None}, str(path))

    def open_vocabulary(self) -> Vocabulary:
        """The classes, read from their file or taken from the recipe itself."""
        if isinstance(self.vocabulary, str):
            return load_vocabulary(self.vocabulary)
        return vocabulary_from(self.vocabulary, "own")

    def with_changes(self, **changes: Any) -> Recipe:
        """The recipe with those of the changes that are not None."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back."""
        return json.loads(json.dumps(asdict(self)))


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The keys that differ, as `sampling.steps was 30, now 50`."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return [
        f"{key} was {_shown(old.get(key, MISSING))}, now {_shown(new.get(key, MISSING))}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key, MISSING) != new.get(key, MISSING)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _shown(value: Any) -> str:
    return "not given" if value is MISSING else json.dumps(value, ensure_ascii=False)


def _beside(recipe: Path, value: Any) -> Any:
    """A file that lies beside the recipe, under its path from here; anything else as it is."""
    if isinstance(value, list):
        return [_beside(recipe, own) for own in value]
    if isinstance(value, Mapping) and "path" in value:
        return {**value, "path": _beside(recipe, value["path"])}
    if isinstance(value, str) and (recipe.parent / value).is_file():
        return str(recipe.parent / value)
    return value


def _section(value: Any, what: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{what} must be a section of `name: value` lines, not {value!r}")
    return dict(value)


def _at_least_one(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number of at least 1, not {value!r}")


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
