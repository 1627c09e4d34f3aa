"""`DiffuMaskPipeline`: any pipeline of a supported family, which returns masks beside its images."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline
from diffusers.loaders import FromSingleFileMixin
from diffusers.loaders.single_file_utils import fetch_diffusers_config, load_single_file_checkpoint
from diffusers.utils import logging
from torch import Tensor

from diffusers_attnmask.attention.record import NotRecordedError
from diffusers_attnmask.families import check_supported, family_of
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.model_files import (
    TENSORS_ALONE,
    check_components,
    check_no_pickle,
    readable_model,
)
from diffusers_attnmask.instances.options import InstanceOptions, instance_options
from diffusers_attnmask.masking.call_values import check_call
from diffusers_attnmask.masking.instances import told_apart
from diffusers_attnmask.masking.output import DiffuMaskPipelineOutput, packed_masks
from diffusers_attnmask.masking.presence import (
    DropAbsent,
    least_presence,
    mask_of_present,
    warn_of_absent,
)
from diffusers_attnmask.masking.queries import check_words
from diffusers_attnmask.masking.segmenting import segment
from diffusers_attnmask.masking.settings import ModelSettings, settings_for, settings_of, write_settings
from diffusers_attnmask.masking.tracing import AttentionTrace
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.alignment import check_whole
from diffusers_attnmask.words.classes import ClassSpec, classes_per_prompt, has_own_lists

logger = logging.get_logger(__name__)

CONFIG_FILE = "model_index.json"
HUB_OPTIONS = ("cache_dir", "force_download", "local_files_only", "proxies", "revision", "token")


class DiffuMaskPipeline(DiffusionPipeline):
    """A face that any pipeline of a supported family can wear.

    `from_pretrained` and `from_pipe` return an instance of both this class and the family's own class. It
    takes the family's arguments and, beside them, `classes`, `mask_method`, `mask_options`, `mask_prompt`.
    """

    mask_settings: ModelSettings = ModelSettings()

    def __new__(cls, *args: Any, **components: Any) -> DiffuMaskPipeline:
        if cls is DiffuMaskPipeline:
            raise TypeError(
                "use DiffuMaskPipeline.from_pretrained(folder or repo), .from_single_file(file) or "
                ".from_pipe(pipeline)"
            )
        return super().__new__(cls)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any) -> Any:
        """Load a model folder or repository as its own family's pipeline, with masks."""
        hub = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
        if cls is DiffuMaskPipeline:
            own = class_named_by(pretrained_model_name_or_path, hub)
            return masking_class(own).from_pretrained(pretrained_model_name_or_path, **kwargs)
        with readable_model(os.fspath(pretrained_model_name_or_path)):
            pipe = super().from_pretrained(pretrained_model_name_or_path, **{**TENSORS_ALONE, **kwargs})
        pipe.mask_settings = settings_of(pretrained_model_name_or_path, download=True, **hub)
        return pipe

    @classmethod
    def from_single_file(cls, pretrained_model_link_or_path: str | os.PathLike, **kwargs: Any) -> Any:
        """Load a checkpoint of one file as its own family's pipeline, with masks.

        config: the folder or repository whose configuration and mask settings it has; by default the one that
        diffusers knows for such weights.
        """
        hub = {name: kwargs[name] for name in HUB_OPTIONS if name in kwargs}
        file, config = os.fspath(pretrained_model_link_or_path), kwargs.get("config")
        check_no_pickle(file)
        if config is not None:
            kwargs["config"] = config = os.fspath(config)
        if cls is DiffuMaskPipeline:
            if config is None:
                with readable_model(file):
                    checkpoint = load_single_file_checkpoint(file, **hub)
                config = fetch_diffusers_config(checkpoint)["pretrained_model_name_or_path"]
            own = class_named_by(config, hub)
            return masking_class(own).from_single_file(file, **kwargs)
        if not issubclass(cls, FromSingleFileMixin):
            raise TypeError(
                f"diffusers reads no whole {cls.__name__} from a single file: read the denoiser alone "
                "(its own from_single_file), and give it to DiffuMaskPipeline.from_pretrained"
            )
        with readable_model(file):
            pipe = super().from_single_file(file, **kwargs)
        pipe.mask_settings = settings_of(config, download=True, **hub)
        return pipe

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **changes: Any) -> Any:
        """The same pipeline with masks: it shares components, hooks and settings; some may be replaced.

        Called on the class of another pipeline of the family, as
        `masking_class(StableDiffusionImg2ImgPipeline)`, it gives one of that class. `dtype` is taken as
        everywhere in diffusers.
        """
        check_supported(pipeline)
        settings = settings_for(pipeline)
        dtype = changes.pop("dtype", changes.pop("torch_dtype", None))
        own = plain_class(type(pipeline) if cls is DiffuMaskPipeline else cls)
        if own is not plain_class(type(pipeline)):
            pipeline = own.from_pipe(pipeline, dtype=dtype or pipeline.dtype, **changes)
            dtype, changes = None, {}
        unknown = set(changes) - set(pipeline.components)
        if unknown:
            raise TypeError(
                f"{type(pipeline).__name__} has no component {', '.join(sorted(unknown))}: make a "
                "pipeline of "
                "the class that takes it first, then masks of that"
            )
        kind: type = type(pipeline)
        pipe = object.__new__(masking_class(kind))
        pipe.__dict__.update(pipeline.__dict__)
        pipe.mask_settings = settings
        if changes:
            pipe.register_modules(**changes)
        return pipe if dtype is None else pipe.to(dtype)

    def save_pretrained(self, save_directory: str | os.PathLike, **kwargs: Any) -> None:
        """Save a folder that plain diffusers loads, with the mask settings beside the weights."""
        if self.mask_settings != ModelSettings():
            Path(save_directory).mkdir(parents=True, exist_ok=True)
            write_settings(self.mask_settings, Path(save_directory))
        super().save_pretrained(save_directory, **kwargs)

    def __call__(
        self,
        *args: Any,
        classes: Sequence | Mapping | None = None,
        mask_method: str | MaskMethod | None = None,
        mask_options: Mapping[str, Any] | None = None,
        mask_prompt: str | list[str] | None = None,
        instances: str | InstanceOptions = "components",
        drop_absent: DropAbsent = None,
        **kwargs: Any,
    ) -> DiffuMaskPipelineOutput | tuple:
        """Sample as the family's own pipeline does and, if classes are given, return their masks.

        classes: phrases, or pairs of a name and phrases; one list for all prompts or a list of lists.
        mask_method: a name or a method object; by default the model's own. mask_options: its options.
        mask_prompt: the text that `prompt_embeds` encode, for calls without a prompt. instances: how objects
        of one class are told apart, "components", "attention" or `InstanceOptions`. drop_absent: a presence
        below which classes are left out of the masks, or True for the usual one; by default they are painted,
        with a warning, and with False without one.
        Returns a `DiffuMaskPipelineOutput`: images as the family gives them, masks uint8 (H, W) as palette
        pictures, arrays or tensors by `output_type`, class maps float32 (classes, H, W) in [0, 1]. With
        `return_dict=False` the masks, heat maps and class names follow the family's own tuple.
        """
        call = inspect.signature(super().__call__).bind_partial(*args, **kwargs)
        as_output = call.arguments.pop("return_dict", True)
        check_call(call.arguments, call.signature.parameters)
        if classes is None:
            if mask_method or mask_options or mask_prompt:
                raise ValueError(
                    "mask_method, mask_options and mask_prompt need classes=[...] to make masks of"
                )
            images, *flags = super().__call__(*call.args, **call.kwargs, return_dict=False)
            return (
                DiffuMaskPipelineOutput(images, None, None, None, *flags) if as_output else (images, *flags)
            )
        method = self.mask_settings.resolve(mask_method, check_supported(self), mask_options)
        specs = classes_per_prompt(classes, number_of_prompts(call.arguments))
        call.arguments.update(self.sampling_prompts(method, specs, call.arguments))
        how, least = instance_options(instances), least_presence(drop_absent)
        with AttentionTrace(self, list(map(list, specs)), [method], mask_prompt, how=how) as traced:
            images, *flags = super().__call__(*call.args, **call.kwargs, return_dict=False)
        ids, heatmaps, presence = read_masks(traced, flags[0] if flags else None, least)
        if drop_absent is None:
            warn_of_absent(presence, traced.class_names)
        masks = packed_masks(ids, call.arguments.get("output_type", "pil"))
        names = traced.class_names if has_own_lists(classes) else traced.class_names[0]
        if not as_output:
            return images, *flags, masks, heatmaps, names
        objects = told_apart(traced.records, method, how, ids, heatmaps)
        return DiffuMaskPipelineOutput(
            images,
            masks,
            heatmaps,
            names,
            *flags,
            skipped_maps=traced.skipped_maps,
            instances=objects,
            presence=presence,
        )

    segment = segment

    def sampling_prompts(
        self, method: MaskMethod, specs: Sequence[Sequence[ClassSpec]], arguments: Mapping[str, Any]
    ) -> dict[str, str | list[str]]:
        """The prompts that the method wants sampled, in place of the caller's."""
        wanted: dict[str, str | list[str]] = {}
        for name in ("prompt", "prompt_2", "prompt_3", "prompt_4"):
            prompt = arguments.get(name)
            if isinstance(prompt, str):
                wanted[name] = method.sampling_prompt(prompt, specs[0])
            elif prompt is not None:
                wanted[name] = [method.sampling_prompt(p, own) for p, own in zip(prompt, specs, strict=True)]
        if wanted != {name: arguments[name] for name in wanted}:  # the added words must not be cut off
            for split in itertools.chain(*(check_supported(self).splits(self, wanted) or ())):
                check_whole(split)
        return wanted

    def refusals(
        self,
        prompts: Sequence[str],
        classes: Sequence[Sequence | Mapping],
        mask_method: str | MaskMethod | None = None,
        mask_options: Mapping[str, Any] | None = None,
    ) -> list[str | None]:
        """Why a call would refuse each prompt with its classes, None where it would not: a sentence for each
        prompt. Nothing is sampled.

        A method or options that do not exist are an error.
        """
        family = check_supported(self)
        method = self.mask_settings.resolve(mask_method, family, mask_options)
        split = functools.partial(family.split_text, self)
        found: list[str | None] = []
        for prompt, own in zip(prompts, classes, strict=True):
            try:
                (specs,) = classes_per_prompt(own, 1)
                sampled = self.sampling_prompts(method, [specs], {"prompt": prompt})["prompt"]
                splits = split(str(sampled))
                family.check_call(self, {"prompt": sampled}, [splits])
                check_words(specs, splits, method, split)
            except ValueError as refusal:
                found.append(str(refusal))
            else:
                found.append(None)
        return found


def index_of(name_or_path: str | os.PathLike, hub: Mapping[str, Any]) -> Mapping[str, Any]:
    """What `model_index.json` of a model folder or repository holds."""
    path = os.fspath(name_or_path)
    if Path(path).is_dir() and not (Path(path) / CONFIG_FILE).is_file():
        raise FileNotFoundError(f"{path} holds no pipeline: it has no {CONFIG_FILE}")
    with within_reach(path, "model"), readable_model(path):
        index = DiffusionPipeline.load_config(path, **hub)
    check_components(index, path)
    return index


def class_named_by(name_or_path: str | os.PathLike, hub: Mapping[str, Any]) -> Any:
    """The pipeline class of a model folder or repository."""
    name = index_of(name_or_path, hub).get("_class_name")
    own = getattr(diffusers, name, None) if isinstance(name, str) else None
    if own is None:
        raise TypeError(f"{name_or_path} needs {name}, which diffusers does not have")
    return own


def number_of_prompts(arguments: Mapping[str, Any]) -> int:
    prompt = arguments.get("prompt")
    if prompt is None:
        embeds = arguments.get("prompt_embeds", arguments.get("pooled_prompt_embeds"))
        return 1 if embeds is None else len(embeds)
    return 1 if isinstance(prompt, str) else len(prompt)


def read_masks(
    traced: AttentionTrace, flags: Sequence[bool] | None, least: float = 0.0
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Ids (H, W), class maps (C, H, W) and presence (C,) of every image; one that was blanked is uncertain
    throughout. least: the presence that a class needs to be painted.

    So are all where the sampling ended before the steps that the method reads: an image is never lost over
    its mask.
    """
    try:
        heatmaps = traced.heatmaps
    except NotRecordedError as reason:
        logger.warning(f"The masks are uncertain throughout: {reason}")
        heatmaps = [own.cropped(torch.zeros(len(own.specs), *own.image_size)) for own in traced.records]
        masks = [torch.full(maps.shape[1:], IGNORE_ID, dtype=torch.uint8) for maps in heatmaps]
        return masks, heatmaps, [torch.ones(len(maps)) for maps in heatmaps]
    presence = traced.presence()
    read = zip(heatmaps, traced.class_names, presence, strict=True)
    masks = [mask_of_present(traced.methods[0], *own, least) for own in read]
    for mask, blanked in zip(masks, flags or (), strict=False):
        if blanked:
            mask.fill_(IGNORE_ID)
    return masks, heatmaps, presence


@functools.cache
def masking_class(own: type[DiffusionPipeline]) -> type[DiffuMaskPipeline]:
    """A class that is both `DiffuMaskPipeline` and a family's pipeline class.

    It keeps the latter's name, so that saved folders and diffusers' Auto classes see the plain pipeline; and
    its call has the parameters of both.
    """
    if issubclass(own, DiffuMaskPipeline):
        return own
    family_of(own)

    @functools.wraps(own.__call__)
    def call(self: DiffuMaskPipeline, *args: Any, **kwargs: Any) -> Any:
        return DiffuMaskPipeline.__call__(self, *args, **kwargs)

    call.__signature__ = joined_signature(own.__call__, DiffuMaskPipeline.__call__)  # type: ignore[attr-defined]
    members = {"__module__": __name__, "__doc__": own.__doc__, "__call__": call}
    return type(own.__name__, (DiffuMaskPipeline, own), members)


def plain_class(own: type[DiffusionPipeline]) -> type[DiffusionPipeline]:
    """The family's own class behind one with masks."""
    if not issubclass(own, DiffuMaskPipeline):
        return own
    return next(base for base in own.__mro__ if not issubclass(base, DiffuMaskPipeline))


def joined_signature(plain: Callable, masking: Callable) -> inspect.Signature:
    """The family's parameters, and those by name alone that masks add."""
    own = list(inspect.signature(plain).parameters.values())
    added = [
        parameter
        for parameter in inspect.signature(masking).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    rest = [parameter for parameter in own if parameter.kind is parameter.VAR_KEYWORD]
    named = [parameter for parameter in own if parameter.kind is not parameter.VAR_KEYWORD]
    return inspect.Signature([*named, *added, *rest])
