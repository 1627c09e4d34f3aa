"""Record what a diffusers pipeline attends to while it samples, and read masks from it."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any, ClassVar

from torch import Tensor, nn

from diffusers_attnmask.attention.layers import AttentionLayer, cross_levels
from diffusers_attnmask.attention.record import ImageRecord
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.attention.tap import AttentionCall, Listener, tapped
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking.output import packed_masks
from diffusers_attnmask.masking.queries import prompt_splits, token_query
from diffusers_attnmask.masking.settings import settings_for
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.classes import ClassSpec, classes_per_prompt


class AttentionTrace:
    """The attention of every image that the pipeline makes inside the `with` block.

    `heatmaps` and `masks()` have one entry per image, over all calls in order. Traces may be nested or follow
    one another: each hears the attention for itself.
    """

    recorder_type: ClassVar[type[Recorder]] = Recorder

    def __init__(
        self,
        pipe: Any,
        classes: Any,
        methods: Sequence[MaskMethod],
        prompt: str | list[str] | None = None,
        steps: int | None = None,
    ) -> None:
        self.pipe = pipe
        self.family = check_supported(pipe)
        self.classes = classes
        self.methods = tuple(methods)
        self.prompt = prompt
        self.steps = steps  # of each call; None to ask the pipeline
        self.records: list[ImageRecord] = []
        self.recorder: Recorder | None = None
        self.layers = self.family.layers(pipe)
        levels = cross_levels(self.layers)
        self.readings = tuple(dict.fromkeys(r for method in self.methods for r in method.readings(levels)))
        for reading in self.readings:
            reading.check(self.layers)
        self._open = ExitStack()

    def __enter__(self) -> AttentionTrace:
        with ExitStack() as entered:
            entered.enter_context(tapped(self._listeners()))
            entered.enter_context(self._hearing_prompts())
            hook = self.family.denoiser(self.pipe).register_forward_pre_hook(self._on_step, with_kwargs=True)
            entered.callback(hook.remove)
            self._open = entered.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.close()

    @property
    def heatmaps(self) -> list[Tensor]:
        """Class maps (C, H, W) in [0, 1] by the first method, one per image."""
        return self.heatmaps_by()

    def heatmaps_by(self, method: str | MaskMethod | None = None) -> list[Tensor]:
        """Class maps (C, H, W) in [0, 1], float32, one per image."""
        method = self._method(method)
        return [method.heatmaps(record).float().cpu() for record in self._recorded()]

    def masks(self, method: str | MaskMethod | None = None, output_type: str = "pil") -> Any:
        """Ids of every image: PIL pictures, or one uint8 array ("np") or tensor ("pt")."""
        method = self._method(method)
        ids = [
            method.mask(heatmaps, record.class_names)
            for heatmaps, record in zip(self.heatmaps_by(method), self._recorded(), strict=True)
        ]
        return packed_masks(ids, output_type)

    @property
    def class_names(self) -> list[list[str]]:
        """The background and the classes of every image."""
        return [record.class_names for record in self._recorded()]

    @property
    def nbytes(self) -> int:
        """Bytes of recorded state of the last call: constant in the number of steps."""
        return self.recorder.nbytes if self.recorder else 0

    @property
    def skipped_maps(self) -> int:
        """How many step maps of the last call were left out because they held a NaN or an infinity."""
        return self.recorder.skipped_maps if self.recorder else 0

    def begin_call(self, arguments: dict[str, Any]) -> None:
        """Start recording one call, from the arguments of its `encode_prompt`."""
        spoken = arguments if self.prompt is None else {**arguments, "prompt": self.prompt, "prompt_2": None}
        splits = prompt_splits(self.family, self.pipe, spoken)
        prompts = len(splits) if splits is not None else len(arguments["prompt_embeds"])
        specs = classes_per_prompt(self.classes, prompts)
        self._check_embeddings(specs)
        encode_prompt = type(self.pipe).encode_prompt.__get__(self.pipe)  # unheard by this and outer traces

        def split(text: str) -> Any:
            return prompt_splits(self.family, self.pipe, {"prompt": text})[0]

        def encode(text: str) -> Tensor:
            return self.family.encode(encode_prompt, arguments, text)

        queries = {
            prompt: token_query(own, splits and splits[prompt], self.methods, encode, split)
            for prompt, own in enumerate(specs)
        }
        images = [p for p in range(prompts) for _ in range(arguments.get("num_images_per_prompt") or 1)]
        self.recorder = self.recorder_type(
            self.layers,
            self.readings,
            [queries[prompt] for prompt in images],
            lambda: self.steps or getattr(self.pipe, "num_timesteps", None),
        )
        self.records += [
            ImageRecord(index, specs[prompt], self.recorder, self.pipe.vae_scale_factor)
            for index, prompt in enumerate(images)
        ]

    @contextmanager
    def _hearing_prompts(self) -> Any:
        """The pipeline's own `encode_prompt`, which every call passes once, also tells what is sampled."""
        heard = self.pipe.encode_prompt
        before = self.pipe.__dict__.get("encode_prompt")
        signature = inspect.signature(heard)

        @wraps(heard)
        def encode_prompt(*args: Any, **kwargs: Any) -> Any:
            encoded = heard(*args, **kwargs)
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            self.begin_call(dict(bound.arguments))
            return encoded

        self.pipe.encode_prompt = encode_prompt
        try:
            yield
        finally:
            if before is None:
                del self.pipe.encode_prompt
            else:
                self.pipe.encode_prompt = before

    def _listeners(self) -> dict[nn.Module, Listener]:
        def listener(layer: AttentionLayer) -> Listener:
            def hear(call: AttentionCall) -> None:
                if self.recorder is not None:
                    self.recorder.add(layer, call)

            return hear

        return {
            layer.module: listener(layer)
            for layer in self.layers
            if any(reading.covers(layer) for reading in self.readings)
        }

    def _on_step(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        if self.recorder is not None:
            self.recorder.begin_step(args[0] if args else kwargs["sample"])

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
) -> AttentionTrace:
    """Trace a pipeline of a supported family: `with trace(pipe, classes=["dog"]) as t: pipe("a dog")`.

    methods: what to record for, by default every method; naming one is cheaper, and the first one is the
    default of `heatmaps` and `masks()`. prompt: the text that the caller's `prompt_embeds` encode.
    """
    family = check_supported(pipe)
    settings = settings_for(pipe)
    if methods is None:
        resolved = settings.resolve_all(family)
    else:
        asked = [methods] if isinstance(methods, str | MaskMethod) else methods
        resolved = tuple(settings.resolve(method, family) for method in asked)
    return AttentionTrace(pipe, classes, resolved, prompt)
