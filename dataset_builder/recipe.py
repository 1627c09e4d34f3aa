"""The recipe of a dataset: one frozen object for Python, YAML and the command line, deciding every byte."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationInfo
from pydantic import Field as Checked

from dataset_builder.annotating.options import PictureOptions
from dataset_builder.prompts.options import PromptOptions
from dataset_builder.sam.options import SamOptions
from dataset_builder.vocabulary import Vocabulary, VocabularyFile, load_vocabulary, vocabulary_from
from diffusers_attnmask.bundled import BUNDLED_NAME
from diffusers_attnmask.ground.options import (
    SECTION,
    Batch,
    Count,
    Fault,
    Name,
    NotNegative,
    OptionsError,
    Seed,
    Share,
    Shorthand,
    Steps,
    options,
    read_options,
)
from diffusers_attnmask.ground.yaml_files import read_yaml
from diffusers_attnmask.instances.options import ONE_WORD, InstanceOptions
from diffusers_attnmask.loading.options import DrawingOptions

# A pair's index and its attempt make the 32 bits of an image's seed: `image_seed` in building/layout.py.
MOST_PAIRS, MOST_ATTEMPTS = 2**28, 2**4

Split = Literal["train", "validation", "test"]  # which `datasets` reads from the names of files
SplitShare = Annotated[float, Checked(gt=0, le=1)]
TRAINING = "train"
ROUNDING = 1e-6  # of shares, which are written in decimals

FOLDERS = ("conditions", "writer")  # options that a folder beside the recipe may be meant by
UNSEEN = {"device", "offload"}  # of sampling and of SAM: no pixel depends on where weights lie
OF_DIFFUSION = (  # options of loading that no other labeller of pictures has
    *("variant", "config", "loras", "vae", "scheduler", "scheduler_options"),
    *("quantization", "offload", "vae_tiling", "vae_slicing", "compile"),
)


@options(kw_only=True)
class SamplingOptions(DrawingOptions):
    """How the model is loaded and how images are drawn.

    steps: of denoising. batch_size: images that are drawn at once. attempts: how often a pair is tried before
    it is skipped. threads: of the CPU, by default all; it is part of the recipe since it can change the last
    bit.
    """

    steps: Steps = 50
    batch_size: Batch = 8
    attempts: Annotated[int, Checked(ge=1, le=MOST_ATTEMPTS)] = 2
    threads: Annotated[int, Checked(ge=1, le=1024)] | None = None


@options
class Refinement:
    """What is done to a mask before it is kept.

    method: "none"; "crf" sharpens the method's mask; "match" takes the threshold whose sharpened mask
    overlaps it best; "affinity" is the published chain with a trained AffinityNet; "sam" asks Segment
    Anything about every object. network: the AffinityNet's folder. backend: which code computes the CRF.
    scale_crf: its distances in proportion to the image, instead of the published pixels. box_area: of parts
    that are dropped, in pixels of a 512 x 512 image. fill: close the holes of outlines, which the publication
    does and rings have; "sam" leaves them as it finds them. uncertain: "keep", or "decide" those pixels too
    (with "crf", "sam" or snap). whole_regions: give each region to one class, for pictures whose objects
    stand apart. snap: move outlines to the image's own edges. model: of "sam", a SAM, SAM 2 or SAM 3, a
    folder or a repository. sam: how it is asked, and when it is believed.
    """

    method: Literal["none", "crf", "match", "affinity", "sam"] = "none"
    network: Name | None = None
    backend: Literal["torch", "pydensecrf"] = "torch"
    scale_crf: bool = True
    box_area: NotNegative = 1500
    fill: bool = True
    uncertain: Literal["keep", "decide"] = "keep"
    whole_regions: bool = False
    snap: bool = False
    model: Name | None = None
    sam: Annotated[SamOptions, SECTION] = field(default_factory=SamOptions)

    def __post_init__(self) -> None:
        if self.uncertain == "decide" and self.method == "none" and not self.snap:
            raise OptionsError([Fault("uncertain", " decide needs a method that decides, as crf, or snap")])
        if (self.method == "affinity") != (self.network is not None):
            told = ", the folder of a trained AffinityNet, goes with method affinity, and the method with it"
            raise OptionsError([Fault("network", told)])
        if (self.method == "sam") != (self.model is not None):
            told = ", the folder or repository of a SAM, goes with method sam, and the method with it"
            raise OptionsError([Fault("model", told)])
        if self.method != "sam" and self.sam != SamOptions():
            raise OptionsError([Fault("sam", " goes with method sam")])

    @property
    def changes(self) -> bool:
        """Whether anything is done."""
        return self.method != "none" or self.whole_regions or self.snap


def as_given(value: Any) -> Any:
    return value


def checked_vocabulary(value: str | Mapping[str, Any]) -> str | Mapping[str, Any]:
    """As it is given; the classes that stand in a recipe are checked with it."""
    if not isinstance(value, str):
        vocabulary_from(value, "own")
    return value


def checked_method(value: str | None) -> str | None:
    """A method that there is."""
    if value is not None:
        from diffusers_attnmask.methods import make_method

        make_method(value)
    return value


def checked_method_options(value: Mapping[str, Any], recipe: ValidationInfo) -> Mapping[str, Any]:
    """Options that the recipe's method takes; those of a model's own method are checked when it is known."""
    method = recipe.data.get("method")
    if method is not None:
        from diffusers_attnmask.methods import make_method

        try:
            make_method(method, value)
        except ValueError as mistake:
            raise ValueError(f"{method}: {mistake}") from mistake
    return value


def whole_shares(shares: Mapping[str, float]) -> Mapping[str, float]:
    """Shares that leave no pair over, some of them of training."""
    if shares and (abs(sum(shares.values()) - 1) > ROUNDING or TRAINING not in shares):
        raise ValueError(
            f"must give {TRAINING} and others shares that sum to 1, as {{train: 0.9, validation: 0.1}}"
        )
    return shares


@options
class Recipe:
    """What determines a dataset.

    vocabulary: a name, a YAML file, or what such a file would hold. pairs: how many prompts are drawn; what
    cannot be kept is counted. splits: the share of the prompts that goes to train, validation and test; no
    prompt is in two of them, and all are for training by default. shard_size: pairs in one file. seed: of
    prompts and images. model: a folder, a repository, a single file, or "bundled". revision: of a repository.
    method and method_options: as in `DiffuMaskPipeline`, by default the model's own. prompts: where they come
    from. sampling: how images are drawn. refinement: what is done to a mask before it is kept. image_format
    and image_quality: how pictures are stored; the quality is that of JPEG and WebP. maps: keep the class
    maps as a column, which `attnmask refine` starts from. presence: keep how surely each class is in the
    picture, as a column. drop_absent: the presence below which a class is left out of mask and classes.
    instances: tell the objects of a class apart, in the columns `instances` and `objects`; `true` for the
    defaults. preview: keep a small picture of each pair, its mask in colours, as a column, since viewers show
    masks as black. pictures: that exist already and are labelled, in place of drawn ones. license: of the
    dataset, as its card tells it.
    """

    vocabulary: Annotated[
        str | Mapping[str, Any], AfterValidator(checked_vocabulary), Shorthand(as_given, str | VocabularyFile)
    ]
    pairs: Annotated[int, Checked(ge=1, le=MOST_PAIRS)] = 1000
    splits: Annotated[Mapping[Split, SplitShare], SECTION, AfterValidator(whole_shares)] = field(
        default_factory=dict
    )
    shard_size: Count = 256
    seed: Seed = 0
    model: Name = BUNDLED_NAME
    revision: Name | None = None
    method: Annotated[str | None, AfterValidator(checked_method)] = None
    method_options: Annotated[Mapping[str, Any], SECTION, AfterValidator(checked_method_options)] = field(
        default_factory=dict
    )
    prompts: Annotated[PromptOptions, SECTION] = field(default_factory=PromptOptions)
    sampling: Annotated[SamplingOptions, SECTION] = field(default_factory=SamplingOptions)
    refinement: Annotated[Refinement, SECTION] = field(default_factory=Refinement)
    image_format: Literal["png", "jpeg", "webp"] = "png"
    image_quality: Annotated[int, Checked(ge=1, le=100)] = 95
    maps: bool = False
    presence: bool = False
    drop_absent: Share | None = None
    instances: Annotated[InstanceOptions | None, ONE_WORD] = None
    preview: bool = False
    pictures: PictureOptions | None = None
    license: str = "other"

    def __post_init__(self) -> None:
        if self.pictures is not None:
            self._check_pictures(self.pictures.by)
        some = bool(self.prompts.conditions) or any(own.condition for own in self.prompts.captions)
        self.sampling.check_conditions("prompts.conditions", some, self.prompts.conditioned)

    def _check_pictures(self, by: str) -> None:
        """What goes with drawn pictures, or with attention, alone."""
        if self.splits:
            raise OptionsError(
                [Fault("splits", " are of drawn pictures: divide the others by their folders")]
            )
        for name in ("controlnet", "adapter"):
            if getattr(self.sampling, name) is not None:
                raise OptionsError([Fault(f"sampling.{name}", " guides drawing, and these pictures exist")])
        if by == "attention":
            return
        if self.model == BUNDLED_NAME:
            raise OptionsError([Fault("model", f" must be named: the bundled one does not label by {by}")])
        for name in ("revision", "method", "instances", "presence", "drop_absent"):
            if getattr(self, name) not in (None, False):
                raise OptionsError([Fault(name, f" goes with attention; the pictures are labelled by {by}")])
        usual = SamplingOptions()
        for name in OF_DIFFUSION:
            if getattr(self.sampling, name) != getattr(usual, name):
                told = f" is for a diffusion model; the pictures are labelled by {by}"
                raise OptionsError([Fault(f"sampling.{name}", told)])
        if by != "sam" and self.sampling.dtype not in ("auto", "fp32"):
            told = f" is fp32 where pictures are labelled by {by}, not {self.sampling.dtype!r}"
            raise OptionsError([Fault("sampling.dtype", told)])

    @classmethod
    def read(cls, recipe: str | Path) -> Recipe:
        """A recipe by the path of its YAML file, or by its bundled name. Files it names may lie beside it."""
        import recipes

        path = recipes.find(recipe, training=False)
        content = read_yaml(path, "a recipe")
        prompts, sampling = content.get("prompts"), content.get("sampling")
        writer = prompts.get("writer") if isinstance(prompts, dict) else None
        for place, key in (
            (content, "vocabulary"),
            (content, "model"),
            (prompts, "captions"),
            (prompts, "conditions"),
            (prompts, "writer"),
            (writer, "model"),
            (sampling, "loras"),
        ):
            if isinstance(place, dict) and key in place:
                place[key] = _beside(path, place[key], folders=key in FOLDERS or place is writer)
        return read_options(cls, content, str(path))

    def open_vocabulary(self) -> Vocabulary:
        """The classes, read from their file or taken from the recipe itself."""
        if isinstance(self.vocabulary, str):
            return load_vocabulary(self.vocabulary)
        return vocabulary_from(self.vocabulary, "own")

    def with_changes(self, **changes: Any) -> Recipe:
        """The recipe with those of the changes that are not None; `sampling` changes options within it."""
        given = {name: value for name, value in changes.items() if value is not None}
        for name, value in given.get("sampling", {}).items():
            before = getattr(self.sampling, name, None)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                given["sampling"] = {**given["sampling"], name: {**before, **value}}
        if "sampling" in given:
            given["sampling"] = changed(self.sampling, given["sampling"])
        return replace(self, **given)

    def on_this_machine(self) -> Recipe:
        """The recipe with the precisions that "auto" means here, on which its bytes depend."""
        from diffusers_attnmask.ground.device import device_called, precision_on

        def precision(own: SamplingOptions | SamOptions) -> Any:
            return precision_on(own.dtype, device_called(own.device))

        recipe = self.with_changes(sampling={"dtype": precision(self.sampling)})
        if self.refinement.method != "sam":
            return recipe
        sam = replace(self.refinement.sam, dtype=precision(self.refinement.sam))
        return replace(recipe, refinement=replace(self.refinement, sam=sam))

    def deciding(self) -> dict[str, Any]:
        """Plain values of all that decides a byte."""
        values = self.to_dict()
        for section in (values["sampling"], values["refinement"]["sam"]):
            for name in UNSEEN & section.keys():
                del section[name]
        if self.pictures is not None:
            values["pictures"] = self.pictures.deciding()
        return values

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON gives them back, from which `read_options` makes the same recipe."""
        return json.loads(json.dumps({**asdict(self), "prompts": self.prompts.to_dict()}))


def recipe_over(path: str | Path | None, **changes: Any) -> Recipe:
    """A recipe with changes, or, without one, made of these: those that are not None."""
    if path is not None:
        return Recipe.read(path).with_changes(**changes)
    if changes.get("vocabulary") is None:
        raise OptionsError([Fault("vocabulary", " is missing: name classes, or a recipe that has them")])
    return Recipe(changes.pop("vocabulary")).with_changes(**changes)


def changed(sampling: SamplingOptions, changes: Mapping[str, Any]) -> SamplingOptions:
    """With faults that say in which section of a recipe they are."""
    try:
        return replace(sampling, **changes)
    except OptionsError as mistake:
        raise OptionsError([fault.under("sampling") for fault in mistake.faults]) from mistake


def _beside(recipe: Path, value: Any, folders: bool = False) -> Any:
    """A file that lies beside the recipe, under its path from here; anything else as it is."""
    if isinstance(value, list):
        return [_beside(recipe, own, folders) for own in value]
    if isinstance(value, Mapping) and "path" in value:
        return {**value, "path": _beside(recipe, value["path"], folders)}
    if isinstance(value, str):
        beside = recipe.parent / value
        if beside.is_file() or (folders and beside.is_dir()):
            return str(beside)
    return value
