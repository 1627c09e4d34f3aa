"""The seg-diffusion pipeline behind the interface of all segmenters."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from diffusers_attnmask.bundled import bundled_model
from diffusers_attnmask.ground.atomic_files import write_text
from diffusers_attnmask.ground.device import DTYPES
from diffusers_attnmask.ground.drawing import Look, mask_picture
from diffusers_attnmask.ground.ids import BACKGROUND
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.options import read_options
from diffusers_attnmask.seg_diffusion.output import SegDiffusionOutput
from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from diffusers_attnmask.seg_diffusion.sampling import MaskSampling
from train_segmenter.augmentation.transforms import Augmentation
from train_segmenter.models.base import Looking, Segmenter, SegmenterSpec, ids_shown
from train_segmenter.models.seg_diffusion.learning import Learning
from train_segmenter.models.seg_diffusion.objective import padded_pair
from train_segmenter.models.seg_diffusion.options import SegDiffusionOptions, whole_images

NAME = "seg-diffusion"
OPTIONS_FILE = "seg_diffusion.json"
HALF = (0.5, 0.5, 0.5)  # images go from [0, 1] to [-1, 1], as autoencoders take them
LEAST = 1e-6  # probability, before its logarithm


class SegDiffusionSegmenter(Segmenter):
    """Trains the UNet and the content attention of a pipeline, whose other parts stay as they are.

    Its logits are logarithms of the pipeline's probabilities. Autoencoder and text encoder are no part of the
    module's weights: they are neither averaged nor kept in checkpoints. sampling: how masks are sampled, by
    default as the options say; seed: of every image's noise.
    """

    own_loss: ClassVar[bool] = True
    from_checkpoint: ClassVar[bool] = True
    exportable: ClassVar[bool] = False

    def __init__(
        self,
        pipe: SegDiffusionPipeline,
        spec: SegmenterSpec,
        options: SegDiffusionOptions | None = None,
        sampling: MaskSampling | None = None,
        seed: int = 0,
    ) -> None:
        parts = {"unet": pipe.unet, "content_attention": pipe.content_attention}
        super().__init__(
            nn.ModuleDict({name: part for name, part in parts.items() if part is not None}), spec
        )
        self.pipe, self.seed = pipe, seed
        self.options = options or SegDiffusionOptions(encoding=pipe.config.encoding)
        self.sampling = sampling or MaskSampling(
            denoising_steps=self.options.denoising_steps,
            ensemble_size=self.options.ensemble_size,
            seen_penalty=self.options.seen_penalty,
        )
        pipe.set_progress_bar_config(disable=True)
        self.learning = Learning(pipe, spec.class_names, self.options)

    @classmethod
    def create(
        cls, name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options: Any
    ) -> SegDiffusionSegmenter:
        """`name` is a text-to-image checkpoint: a folder, a Hub name, or "" for the bundled one."""
        if pretrained == "none":
            raise ValueError(
                "seg-diffusion begins from the weights of a text-to-image model: leave pretrained='none' out "
                "and name one as seg-diffusion:CHECKPOINT where it is not the bundled one."
            )
        chosen = read_options(SegDiffusionOptions, options, "model_options")
        checkpoint = name or bundled_model()
        pipe = SegDiffusionPipeline.from_text_to_image(
            checkpoint,
            content_attention=chosen.content_attention,
            prediction=chosen.prediction,
            encoding=chosen.encoding,
            noise=chosen.noise,
            phrases={label: list(words) for label, words in chosen.phrases.items()},
        )
        origin = Path(name).name if name and Path(name).exists() else name or "bundled"
        return cls(pipe, _spec(f"{NAME}:{origin}", class_names), chosen)

    @classmethod
    def check_options(cls, name: str, options: Mapping[str, Any]) -> None:
        read_options(SegDiffusionOptions, options, "")

    @classmethod
    def load(cls, folder: Path, spec: SegmenterSpec | None) -> SegDiffusionSegmenter:
        """The model of a folder that `save_pretrained` wrote, or of a pipeline that was saved alone."""
        pipe = SegDiffusionPipeline.from_pretrained(folder)
        known = tuple((pipe.config.id2label or {}).values())
        if spec is not None and known and pipe.config.encoding == "levels":
            spec.check_outputs(len(known))
        saved = folder / OPTIONS_FILE
        options = (
            read_options(SegDiffusionOptions, read_json(saved), str(saved))
            if saved.is_file()
            else _options_of(pipe)
        )
        return cls(pipe, spec or _spec(NAME, known), options)

    @staticmethod
    def usual_augmentation(crop: int, height: int, width: int) -> Augmentation:
        """Whole images, since it is asked about whole images."""
        return whole_images(crop, height, width)

    def __deepcopy__(self, memo: dict) -> SegDiffusionSegmenter:
        """A copy with networks of its own and the same frozen parts."""
        networks = {name: copy.deepcopy(part, memo) for name, part in self.network.items()}
        return self._over(pipe=_rebuilt(self.pipe, **networks))

    def _over(self, **changes: Any) -> SegDiffusionSegmenter:
        """Another segmenter over the same pipeline, but for what is given."""
        own = {name: getattr(self, name) for name in ("pipe", "spec", "options", "sampling", "seed")}
        return SegDiffusionSegmenter(**{**own, **changes}).to(self.mean.device)

    def _apply(self, function: Callable, recurse: bool = True) -> SegDiffusionSegmenter:
        """Moves and casts the frozen parts together with the trained ones."""
        super()._apply(function, recurse)
        self.pipe.vae._apply(function)
        self.pipe.text_encoder._apply(function)
        self.learning.forget()
        return self

    @property
    def open_vocabulary(self) -> bool:
        return self.options.encoding == "binary"

    @property
    def foreground(self) -> tuple[int, ...]:
        """The ids that are classes."""
        return self.learning.foreground

    @property
    def settings(self) -> dict[str, Any]:
        loss = f"squared error of the {self.pipe.scheduler.config.prediction_type}"
        return {**self.options.to_dict(), "loss": loss}

    def for_classes(self, class_names: Sequence[str]) -> SegDiffusionSegmenter:
        """The same weights, asked for other classes."""
        return self._over(spec=replace(self.spec, class_names=tuple(class_names)))

    def sampled(self, **options: Any) -> SegDiffusionSegmenter:
        """The same model with other options of `MaskSampling` when it is judged."""
        return self._over(sampling=replace(self.sampling, **options))

    def for_pictures(
        self, *, classes: Sequence[str] = (), dtype: str = "fp32", seed: int = 0, **sampling: Any
    ) -> SegDiffusionSegmenter:
        """The model sampled as the pipeline does by itself, but for what is given.

        classes: any words, by default those of training. dtype: "fp32", "fp16" or "bf16", from here on.
        """
        if dtype not in DTYPES:
            raise ValueError(f"dtype is one of {', '.join(DTYPES)}, not {dtype!r}.")
        words = tuple(classes) or tuple(self.pipe.trained_classes)
        if not words:
            raise ValueError("The model does not say which classes it was trained with: name some (--class).")
        spec = replace(self.spec, class_names=(BACKGROUND, *words))
        other = self._over(spec=spec, sampling=MaskSampling(**sampling), seed=seed)
        self.pipe.set_progress_bar_config(desc="denoising", leave=False)
        return other.to(DTYPES[dtype])

    def pictures(
        self, image: Image.Image, inference: Looking, look: Look | None = None
    ) -> dict[str, Image.Image]:
        """The pipeline's mask and overlay, and of an ensemble its "uncertainty"."""
        if not inference.plain:
            raise ValueError(
                "seg-diffusion takes no windows, scales or mirrored copies: see --ensemble-size."
            )
        out = self._sampled([image], output_type="pil")
        look = look or Look()
        mask = mask_picture(np.asarray(out.masks[0]), look.colours)
        pictures = {"mask": mask, "overlay": out.overlay(0, look.opacity, look.palette)}
        return pictures if out.uncertainty is None else {**pictures, "uncertainty": out.uncertainty_picture()}

    def begin_training(self, crop: int | None, repeats: bool) -> None:
        self.learning.begin(crop, repeats)

    def training_loss(
        self,
        images: Tensor,
        masks: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
        shown: Sequence[Any] | None = None,
    ) -> Tensor:
        """The squared error of the denoising; a criterion of class logits has no place in it."""
        images, masks = padded_pair(images, masks, self.learning.multiple)
        shown = ids_shown(masks) if shown is None else shown
        return self.learning.loss((images - self.mean) / self.std, masks, shown)

    def prepare(self, images: Tensor) -> Tensor:
        """The images as they are: the pipeline resizes and pads them."""
        return images

    def logits(self, prepared: Tensor) -> Tensor:
        """Logarithms of the probabilities (B, K, H, W); every image is sampled from the same seed."""
        out = self._sampled(list(prepared.clamp(0, 1)), output_type="pt")
        names = out.class_names[1:]
        penalty = self.pipe.penalties(names, self.sampling.seen_penalty)[1:].to(prepared.device)
        found = torch.stack(out.probabilities).to(prepared.device) - penalty  # (B, C, H, W)
        maps = found.new_empty(len(found), len(self.class_names), *found.shape[-2:])
        maps[:, list(self.foreground)] = found
        if len(names) < len(self.class_names):
            levels = self.options.encoding == "levels"
            rest = 1 - found.sum(dim=1) if levels else self.sampling.background
            maps[:, self.class_names.index(BACKGROUND)] = rest
        return maps.clamp(min=LEAST).log()

    def _sampled(self, images: Sequence[Any], output_type: str) -> SegDiffusionOutput:
        """The pipeline's answer for the classes, every image from the same seed."""
        out = self.pipe(
            list(images),
            [self.class_names[number] for number in self.foreground],
            generator=[torch.Generator().manual_seed(self.seed) for _ in images],
            output_type=output_type,
            **asdict(self.sampling),
        )
        return cast(SegDiffusionOutput, out)

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self.network["unet"].parameters()

    def save_pretrained(self, folder: Path) -> None:
        """The pipeline, which diffusers loads, the spec, and the options of training."""
        self.pipe.save_pretrained(folder)
        self.spec.write(folder)
        write_text(folder / OPTIONS_FILE, json.dumps(self.options.to_dict(), indent=2) + "\n")


def _spec(model: str, class_names: tuple[str, ...]) -> SegmenterSpec:
    return SegmenterSpec(model, tuple(class_names), mean=HALF, std=HALF)


def _options_of(pipe: SegDiffusionPipeline) -> SegDiffusionOptions:
    """The options that a pipeline tells which was saved alone."""
    config: Mapping[str, Any] = pipe.config
    return SegDiffusionOptions(
        encoding=config["encoding"],
        noise=config["noise"],
        content_attention=pipe.content_attention is not None,
        phrases=config["phrases"] or {},
    )


def _rebuilt(pipe: SegDiffusionPipeline, **networks: nn.Module) -> SegDiffusionPipeline:
    """A pipeline over the same parts and settings, but for the given networks."""
    parts = {**pipe.components, **networks}
    names = ("encoding", "template", "noise", "processing_res", "id2label", "phrases")
    return SegDiffusionPipeline(**parts, **{name: pipe.config[name] for name in names})
