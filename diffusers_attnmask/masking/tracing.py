"""Record what a diffusers pipeline attends to while it samples, and read masks from it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from diffusers_attnmask.attention.concepts import ConceptStream
from diffusers_attnmask.attention.readings import ConceptSimilarity, Reading
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.sites import Site
from diffusers_attnmask.attention.tap import Comparison, Listener, tapped
from diffusers_attnmask.attention.token_query import TokenQuery
from diffusers_attnmask.families import Call, check_supported
from diffusers_attnmask.families.base import check_text_encoder, inputs_of
from diffusers_attnmask.families.joint import JointFamily
from diffusers_attnmask.ground.instances import Instances
from diffusers_attnmask.instances.divide import reading_for
from diffusers_attnmask.instances.options import PARTS_ALONE, InstanceOptions, instance_options
from diffusers_attnmask.masking.instances import told_apart
from diffusers_attnmask.masking.output import packed_masks
from diffusers_attnmask.masking.overhearing import check_eager, crops_told, passes_named, prompts_told
from diffusers_attnmask.masking.queries import token_queries
from diffusers_attnmask.masking.settings import settings_for
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.classes import ClassSpec, classes_per_prompt


class AttentionTrace:
    """The attention of every image that the pipeline makes inside the `with` block.

    `heatmaps`, `masks()`, `instances()` and `presence()` have one entry per image, over all calls in order.
    Traces may be nested or follow one another: each hears the attention for itself. extra: readings beside
    those of the methods. how: objects of one class are told apart.
    """

    def __init__(
        self,
        pipe: Any,
        classes: Any,
        methods: Sequence[MaskMethod],
        prompt: str | list[str] | None = None,
        steps: int | None = None,
        extra: Sequence[Reading] = (),
        how: InstanceOptions = PARTS_ALONE,
    ) -> None:
        self.pipe = pipe
        self.family = check_supported(pipe)
        self.classes = classes
        self.methods = tuple(methods)
        self.prompt = prompt
        self.steps = steps  # of each call; None to ask the pipeline
        self.how = how
        self.records: list[ImageRecord] = []
        self.recorders: list[Recorder] = []
        self.sites = self.family.sites(pipe)
        wanted = (reading for method in self.methods for reading in method.readings(self.sites))
        beside = (reading_for(how, method, self.sites) for method in self.methods)
        self.readings = tuple(dict.fromkeys([*wanted, *extra, *filter(None, beside)]))
        for reading in self.readings:
            reading.check(self.sites)
        self._call: Call | None = None
        self._waiting: Callable[[int], None] | None = None  # a call, for how many images there are per prompt
        self._encodings = 0  # since the last pass
        self._context: str | None = None  # what the pipeline calls the pass that runs
        self._open = ExitStack()
        self._tap: Callable[[], None]  # processors that were set since

    def __enter__(self) -> AttentionTrace:
        denoiser = self.family.denoiser(self.pipe)
        check_eager(denoiser)
        with ExitStack() as entered:
            self._tap = entered.enter_context(tapped(self._listeners()))
            entered.enter_context(prompts_told(self.pipe, self.family.prompt_encoder, self._on_prompts))
            entered.enter_context(passes_named(denoiser, self._on_name))
            entered.enter_context(crops_told(self.pipe, self._on_crop))
            hook = denoiser.register_forward_pre_hook(self._on_pass, with_kwargs=True)
            entered.callback(hook.remove)
            for site, block in self._carriers():
                hook = block.register_forward_pre_hook(self._on_block(site), with_kwargs=True)
                entered.callback(hook.remove)
            self._open = entered.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.close()
        if self.recorder is not None:
            self.recorder.forget()

    @property
    def recorder(self) -> Recorder | None:
        """The state of the last call."""
        return self.recorders[-1] if self.recorders else None

    @property
    def heatmaps(self) -> list[Tensor]:
        """Class maps (C, H, W) in [0, 1] by the first method, one per image."""
        return self.heatmaps_by()

    def heatmaps_by(self, method: str | MaskMethod | None = None) -> list[Tensor]:
        """Class maps (C, H, W) in [0, 1], float32, one per image."""
        method = self._method(method)
        return [record.cropped(method.heatmaps(record)).float().cpu() for record in self._recorded()]

    def presence(self, method: str | MaskMethod | None = None) -> list[Tensor]:
        """How surely each class is in each image at all: float32 (C,) in [0, 1], one per image."""
        method = self._method(method)
        return [method.presence(record).float().cpu() for record in self._recorded()]

    def masks(self, method: str | MaskMethod | None = None, output_type: str = "pil") -> Any:
        """Ids of every image: palette pictures, or one uint8 array ("np") or tensor ("pt") (images, H, W).

        0 is the background, i + 1 the i-th class, 255 uncertain.
        """
        method = self._method(method)
        return packed_masks(self._ids(method, self.heatmaps_by(method)), output_type)

    def instances(self, method: str | MaskMethod | None = None) -> list[Instances]:
        """The objects in the mask of every image, told apart as the trace was asked to."""
        method = self._method(method)
        heatmaps = self.heatmaps_by(method)
        return told_apart(self.records, method, self.how, self._ids(method, heatmaps), heatmaps)

    def _ids(self, method: MaskMethod, heatmaps: Sequence[Tensor]) -> list[Tensor]:
        """Ids (H, W) of class maps (C, H, W) of every image."""
        read = zip(heatmaps, self.class_names, strict=True)
        return [method.mask(maps, class_names) for maps, class_names in read]

    @property
    def class_names(self) -> list[list[str]]:
        """The background and the classes of every image."""
        return [record.class_names for record in self._recorded()]

    @property
    def nbytes(self) -> int:
        """Bytes of recorded state that are held: constant in the number of steps."""
        return sum(recorder.nbytes for recorder in self.recorders)

    @property
    def skipped_maps(self) -> int:
        """How many step maps of the last call were left out because they held a NaN or an infinity."""
        return self.recorder.skipped_maps if self.recorder else 0

    def begin_call(self, arguments: Mapping[str, Any], encoded: Any = None) -> None:
        """Start recording one call, from the arguments of its `encode_prompt` and what that returned."""
        spoken = arguments if self.prompt is None else self.family.spoken(arguments, self.prompt)
        splits = self.family.splits(self.pipe, spoken)
        prompts = len(splits) if splits is not None else self.family.prompts_embedded(arguments)
        specs = classes_per_prompt(self.classes, prompts)
        self._check_embeddings(specs)
        self.family.check_call(self.pipe, arguments, splits)
        encoder = getattr(type(self.pipe), self.family.prompt_encoder)
        encode_prompt = encoder.__get__(self.pipe)  # unheard by this and outer traces

        split = partial(self.family.split_text, self.pipe, arguments=arguments)

        def encode(texts: Sequence[str]) -> Sequence[Tensor]:
            check_text_encoder(self.pipe)
            return self.family.encode(self.pipe, encode_prompt, arguments, texts)

        queries = token_queries(specs, splits, self.methods, encode, split)
        self._call = Call(arguments, encoded)
        self._waiting = partial(self._begin_images, specs, queries)
        each = self.family.images_per_prompt(self.pipe, arguments)
        if each is not None:
            self._waiting(each)

    def _begin_images(
        self, specs: Sequence[tuple[ClassSpec, ...]], queries: Sequence[TokenQuery], each: int
    ) -> None:
        """Start the records of a call's images, `each` of them per prompt."""
        assert self._call is not None
        self._waiting = None
        images = [prompt for prompt in range(len(queries)) for _ in range(each)]
        self._call = replace(self._call, images=len(images))
        if self.recorder is not None:
            self.recorder.settle()
        own = [queries[prompt] for prompt in images]
        recorder = Recorder(
            self.sites, self.readings, own, self._total_steps, self.family.layout, self._stream(own)
        )
        self.recorders.append(recorder)
        self.records += [
            ImageRecord(index, specs[prompt], recorder, self.family.pixels_per_cell(self.pipe))
            for index, prompt in enumerate(images)
        ]

    def _stream(self, queries: Sequence[TokenQuery]) -> ConceptStream | None:
        concepts = [query.concepts for query in queries if query.concepts is not None]
        if not concepts or not isinstance(self.family, JointFamily):
            return None
        return ConceptStream(concepts, partial(self.family.words_as_tokens, self.pipe), self.family.carry)

    def _total_steps(self) -> int | None:
        if self.steps is not None:
            return self.steps
        told = getattr(self.pipe, "num_timesteps", None)
        return told or len(self.pipe.scheduler.timesteps) or None  # T2I-Adapter pipelines do not tell

    def _on_prompts(self, arguments: Mapping[str, Any], encoded: Any) -> None:
        if self._encodings % self.family.encodings == 0:  # a further one is of the negative prompt
            self.begin_call(arguments, encoded)
        self._encodings += 1

    def _listeners(self) -> dict[nn.Module, Listener]:
        def listener(site: Site) -> Listener:
            def add(comparison: Comparison) -> None:
                if self.recorder is not None:
                    self.recorder.add(site, comparison)

            return add

        return {
            site.module: listener(site)
            for site in self.sites
            if any(reading.listens(site, self.sites) for reading in self.readings)
        }

    def _carriers(self) -> list[tuple[Site, nn.Module]]:
        """The sites whose blocks concepts pass through, and these blocks."""
        streaming = [reading for reading in self.readings if isinstance(reading, ConceptSimilarity)]
        return [
            (site, site.block)
            for site in self.sites
            if site.block is not None and any(own.listens(site, self.sites) for own in streaming)
        ]

    def _on_block(self, site: Site) -> Callable[[nn.Module, tuple, dict], None]:
        def hook(module: nn.Module, args: tuple, kwargs: dict) -> None:
            if self.recorder is not None:
                self.recorder.block_inputs[site.name] = inputs_of(module, args, kwargs)

        return hook

    def _on_name(self, name: str | None) -> None:
        self._context = name

    def _on_crop(self, crop: Callable[[Tensor], Tensor]) -> None:
        if self.recorder is not None:
            self.recorder.crop = crop

    def _on_pass(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        self._encodings = 0
        self._tap()
        inputs = inputs_of(module, args, kwargs)
        if self._waiting is not None:
            assert self._call is not None
            self._waiting(self.family.images_per_prompt_in(self._call, inputs))
        if self.recorder is None or self._call is None:
            raise ValueError(
                f"{type(self.pipe).__name__} encoded no prompt before it sampled: give prompt= beside "
                "prompt_embeds=, the text that they stand for, so that words can be found in it"
            )
        self.recorder.begin_pass(self.family.read_pass(self.pipe, self._call, inputs, self._context))

    def _check_embeddings(self, classes: Sequence[Sequence[ClassSpec]]) -> None:
        width = self.family.context_width(self.pipe)
        for spec in itertools.chain(*classes):
            for embedding in spec.embeddings:
                if embedding.context.shape[-1] != width:
                    raise ValueError(
                        f"the embedding of {spec.name!r} is {embedding.context.shape[-1]} wide and the model "
                        f"takes {width}: it was learned on another model"
                    )

    def _recorded(self) -> list[ImageRecord]:
        if not self.records:
            raise ValueError("nothing was sampled inside this trace: call the pipeline in its `with` block")
        return self.records

    def _method(self, method: str | MaskMethod | None) -> MaskMethod:
        """One of the traced methods by name, or another whose readings were recorded."""
        if method is None:
            return self.methods[0]
        if isinstance(method, str):
            for own in self.methods:
                if own.name == method:
                    return own
            traced = ", ".join(own.name for own in self.methods)
            raise ValueError(f"mask method {method!r} was not traced: trace({traced}) was asked for")
        return method


def trace(
    pipe: Any,
    classes: Any,
    *,
    methods: str | MaskMethod | Sequence[str | MaskMethod] | None = None,
    prompt: str | list[str] | None = None,
    instances: str | InstanceOptions = "components",
) -> AttentionTrace:
    """Trace a pipeline of a supported family: `with trace(pipe, classes=["dog"]) as t: pipe("a dog")`.

    methods: what to record for, by default every method that fits the model; naming one is cheaper, and the
    first one is the default of `heatmaps`, `masks()`, `instances()` and `presence()`. prompt: the text that
    the caller's `prompt_embeds` encode. instances: as in the call of `DiffuMaskPipeline`. The trace has, for
    each image in its order, class maps float32 (classes, H, W) in [0, 1], masks uint8 (H, W) of ids and
    presence float32 (classes,) in [0, 1]: see `AttentionTrace`.
    """
    family = check_supported(pipe)
    settings = settings_for(pipe)
    if methods is None:
        resolved = settings.resolve_all(family, family.sites(pipe))
    else:
        asked = [methods] if isinstance(methods, str | MaskMethod) else list(methods)
        if not asked:
            raise ValueError("methods is empty: name one at least, or leave it out for all that fit")
        resolved = tuple(settings.resolve(method, family) for method in asked)
    return AttentionTrace(pipe, classes, resolved, prompt, how=instance_options(instances))
