"""transformers' Mask2Former with any backbone, as `mask2former:BACKBONE` or `mask2former:HUB_NAME`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import timm
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    Mask2FormerImageProcessor,
    PretrainedConfig,
    SwinConfig,
    TimmBackboneConfig,
)

from diffusers_attnmask.ground.drawing import Look
from diffusers_attnmask.ground.ids import BACKGROUND, BACKGROUND_ID, IGNORE_ID
from diffusers_attnmask.ground.instances import numbered
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.pictures import rgb_pixels
from train_segmenter.augmentation.transforms import to_tensor
from train_segmenter.data.segments import Shown, Task
from train_segmenter.data.tables import thing_names
from train_segmenter.models.base import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    Looking,
    Segmenter,
    SegmenterSpec,
    ids_shown,
    sent,
)
from train_segmenter.models.object_queries import FoundObjects, FoundSegments, found_objects, found_segments
from train_segmenter.models.pretrained import build

STAGES = ["stage1", "stage2", "stage3", "stage4"]  # at strides 4, 8, 16, 32
TIMM_STAGES = (1, 2, 3, 4)
# Swin by size, as in its paper: width, depths, heads, window.
SWIN = {
    "swin-tiny": (96, (2, 2, 6, 2), (3, 6, 12, 24), 7),
    "swin-small": (96, (2, 2, 18, 2), (3, 6, 12, 24), 7),
    "swin-base": (128, (2, 2, 18, 2), (4, 8, 16, 32), 12),
    "swin-large": (192, (2, 2, 18, 2), (6, 12, 24, 48), 12),
}
# Published weights from which the whole model may begin; the classifier is made anew.
PUBLISHED = {
    "swin-tiny": "facebook/mask2former-swin-tiny-coco-instance",
    "swin-small": "facebook/mask2former-swin-small-coco-instance",
    "swin-base": "facebook/mask2former-swin-base-IN21k-coco-instance",
    "swin-large": "facebook/mask2former-swin-large-coco-instance",
}
CERTAIN = -20.0  # a mask logit so sure of "not here" that the loss and its gradient vanish in ignored pixels
FLOOR = 1e-6  # of a class score, before its logarithm
COMBINED = 384 * 384  # pixels at which masks of larger pictures are combined, as many as transformers takes


class Mask2FormerSegmenter(Segmenter):
    """Mask2Former for semantic, instance and panoptic segmentation; a class's logit is the logarithm of its
    score."""

    own_loss: ClassVar[bool] = True
    tasks: ClassVar[tuple[Task, ...]] = ("semantic", "instance", "panoptic")

    @property
    def settings(self) -> dict[str, Any]:
        told = {} if self.spec.task == "semantic" else {"task": self.spec.task}
        return {"loss": "matched sets of masks, as published", **told}

    @property
    def things(self) -> list[int]:
        """The ids of the classes whose objects are counted."""
        names = thing_names(self.class_names)
        return [place for place, name in enumerate(self.class_names) if name in names]

    @classmethod
    def create(
        cls,
        name: str,
        class_names: tuple[str, ...],
        pretrained: str = "auto",
        task: Task = "semantic",
        **options: Any,
    ) -> Mask2FormerSegmenter:
        """`name` is swin-tiny, -small, -base or -large, a timm model (resnet50), a JSON config or a Hub name.

        task: what it is trained for. Other options override entries of the Mask2Former configuration.
        """
        ids = {label: number for number, label in enumerate(class_names)}
        entries = {"id2label": dict(enumerate(class_names)), "label2id": ids, **options}
        cls.check_options(name, {"task": task, **options})
        is_file = Path(name).is_file()

        def random() -> nn.Module:
            return Mask2FormerForUniversalSegmentation(_config(name, entries))

        def with_weights() -> nn.Module:
            if is_file:
                raise FileNotFoundError(f"{name} is a configuration without weights")
            if name in PUBLISHED or "/" in name:
                return Mask2FormerForUniversalSegmentation.from_pretrained(
                    PUBLISHED.get(name, name), ignore_mismatched_sizes=True, use_safetensors=True, **entries
                )
            backbone = timm.create_model(name, pretrained=True, features_only=True, out_indices=TIMM_STAGES)
            network: Any = random()
            network.model.pixel_level_module.encoder._backbone.load_state_dict(backbone.state_dict())
            return network

        network = build(pretrained, with_weights, random, f"mask2former:{name}")
        return cls(network, SegmenterSpec(f"mask2former:{name}", class_names, task=task))

    @classmethod
    def check_options(cls, name: str, options: Mapping[str, Any]) -> None:
        if not (Path(name).is_file() or name in SWIN or "/" in name or timm.is_model(name)):
            raise ValueError(
                f"mask2former has no backbone {name!r}. Known: {', '.join(SWIN)}, timm models (resnet50), "
                "a JSON config file, and Hub names."
            )
        if options.get("task", "semantic") not in cls.tasks:
            raise ValueError(f"task is one of {', '.join(cls.tasks)}, not {options['task']!r}")
        known = {"task": "semantic", **Mask2FormerConfig().to_dict()}
        if unknown := sorted(set(options) - set(known)):
            raise ValueError(f"mask2former has no option {', '.join(unknown)}; it has {', '.join(known)}.")

    @classmethod
    def load(cls, folder: Path, spec: SegmenterSpec | None) -> Mask2FormerSegmenter:
        network = Mask2FormerForUniversalSegmentation.from_pretrained(folder, use_safetensors=True)
        if spec is None:
            names: dict[Any, str] = dict(network.config.id2label or {})
            mean, std = _normalisation(folder)
            spec = SegmenterSpec(
                f"mask2former:{folder.name}", tuple(names[i] for i in range(len(names))), mean, std
            )
        spec.check_outputs(network.config.num_labels or 0)
        return cls(network, spec)

    def logits(self, prepared: Tensor) -> Tensor:
        """Of large pictures the classes' scores are enlarged, which are fewer than the queries' masks."""
        size = prepared.shape[-2:]
        class_logits, masks = self.queries(prepared)
        classes = class_logits.softmax(dim=-1)[..., :-1]  # (B, Q, K), without "no object"
        masks = enlarged(masks, combining_size(masks.shape[-2:], size)).sigmoid_()
        scores = enlarged(torch.einsum("bqk,bqhw->bkhw", classes, masks), size)
        if self.spec.task == "instance" and self.class_names[0] == BACKGROUND:  # which no query stands for
            scores[:, BACKGROUND_ID] = 1 - scores[:, 1:].amax(1)
        return scores.clamp_(min=FLOOR).log_()

    def queries(self, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of classes (B, Q, K + 1) and of masks (B, Q, h, w) of prepared images (B, 3, H, W)."""
        outputs = self.network(pixel_values=prepared)
        return outputs.class_queries_logits.float(), outputs.masks_queries_logits.float()

    @torch.inference_mode()
    def objects(self, images: Tensor) -> list[tuple[FoundObjects, FoundSegments]]:
        height, width = images.shape[-2:]
        prepared = self.prepare(images)
        class_logits, masks = self.queries(prepared)
        masks = enlarged(masks, prepared.shape[-2:])[..., :height, :width]
        return [
            (found_objects(own, pixels, self.things), found_segments(own, pixels, self.things))
            for own, pixels in zip(class_logits, masks, strict=True)
        ]

    def pictures(
        self, image: Image.Image, inference: Looking, look: Look | None = None
    ) -> dict[str, Image.Image]:
        """Beside the mask and the overlay, of a model that tells objects apart, their numbers in 16 bits."""
        shown = super().pictures(image, inference, look)
        if self.spec.task == "semantic":
            return shown
        pixels = to_tensor(rgb_pixels(image))[None].to(self.mean.device)
        [(_, segments)] = self.objects(pixels)
        things = [own + 1 for own, label in enumerate(segments.classes) if label in self.things]
        numbers = segments.numbers.cpu().numpy()
        ids = numbered(np.where(np.isin(numbers, things), numbers, 0))
        return {**shown, "instances": Image.fromarray(ids)}

    def training_loss(
        self,
        images: Tensor,
        masks: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
        shown: Sequence[Shown] | None = None,
    ) -> Tensor:
        """The paper's set loss, which takes the place of `criterion`; ignored pixels give no gradient."""
        shown = ids_shown(masks) if shown is None else shown
        prepared = self.prepare(images)
        pad = (0, prepared.shape[-1] - masks.shape[-1], 0, prepared.shape[-2] - masks.shape[-2])
        masks = functional.pad(masks, pad, value=IGNORE_ID)
        outputs = self.network(pixel_values=prepared, output_auxiliary_logits=True)
        labels, binary = matched_targets(masks, shown)
        silent = _ignored(masks, outputs.masks_queries_logits.shape[-2:])
        auxiliary = [
            {**layer, "masks_queries_logits": layer["masks_queries_logits"].masked_fill(silent, CERTAIN)}
            for layer in outputs.auxiliary_logits
        ]
        losses = self.network.get_loss_dict(
            masks_queries_logits=outputs.masks_queries_logits.masked_fill(silent, CERTAIN),
            class_queries_logits=outputs.class_queries_logits,
            mask_labels=binary,
            class_labels=labels,
            auxiliary_predictions=auxiliary,
        )
        loss = self.network.get_loss(losses)
        # where nothing can be matched, it would learn that nothing is there; the other processes wait for
        # this one's part in what the loss is divided by, so that it is asked for all the same
        return loss if any(shown) else 0 * loss

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self.network.model.pixel_level_module.encoder.parameters()

    def save_pretrained(self, folder: Path) -> None:
        self.network.save_pretrained(folder)
        processor = Mask2FormerImageProcessor(
            image_mean=list(self.spec.mean),
            image_std=list(self.spec.std),
            do_resize=False,
            size_divisor=self.stride,
            ignore_index=IGNORE_ID,
            num_labels=len(self.class_names),
        )
        processor.save_pretrained(folder)
        self.spec.write(folder)


def _config(name: str, entries: dict) -> Mask2FormerConfig:
    if Path(name).is_file():
        return Mask2FormerConfig.from_dict({**read_json(Path(name)), **entries})
    if "/" in name:
        return Mask2FormerConfig.from_pretrained(name, **entries)
    backbone: PretrainedConfig
    if name in SWIN:
        width, depths, heads, window = SWIN[name]
        layers = {"embed_dim": width, "depths": depths, "num_heads": heads, "window_size": window}
        backbone = SwinConfig.from_dict({**layers, "out_features": STAGES})
    else:
        backbone = TimmBackboneConfig.from_dict({"backbone": name, "out_indices": TIMM_STAGES})
    return Mask2FormerConfig(backbone_config=backbone, **entries)


def enlarged(values: Tensor, size: Sequence[int]) -> Tensor:
    """Of (B, N, h, w) a copy (B, N, H, W), bilinearly."""
    return functional.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)


def combining_size(grid: Sequence[int], size: Sequence[int]) -> tuple[int, ...]:
    """The picture's size, if it has no more than `COMBINED` pixels; else one of that many pixels, and of no
    fewer than the masks' grid.

    >>> combining_size((96, 96), (384, 384)), combining_size((128, 256), (512, 1024))
    ((384, 384), (272, 543))
    >>> combining_size((512, 512), (2048, 2048))
    (512, 512)
    """
    times = max(1.0, math.sqrt(COMBINED / math.prod(grid)))
    return tuple(min(most, round(times * side)) for side, most in zip(grid, size, strict=True))


def matched_targets(masks: Tensor, shown: Sequence[Shown]) -> tuple[list[Tensor], list[Tensor]]:
    """The classes (n,) of what each of the masks (B, H, W) shows, and where it shows them (n, H, W)."""
    counts = [len(own) for own in shown]
    ids = _sent_lists(shown, masks.device, counts)
    classes = (own.values() if isinstance(own, Mapping) else own for own in shown)
    labels = _sent_lists(list(classes), masks.device, counts)
    return labels, [(mask == own[:, None, None]).float() for mask, own in zip(masks, ids, strict=True)]


def _sent_lists(lists: Sequence[Iterable[int]], device: torch.device, counts: list[int]) -> list[Tensor]:
    """Lists of numbers as a tensor each, sent at once."""
    flat = torch.tensor([number for own in lists for number in own], dtype=torch.long)
    return list(sent(flat, device).split(counts))


def _ignored(masks: Tensor, size: torch.Size) -> Tensor:
    """Bool (B, 1, h, w): cells of the coarser grid that touch an ignored pixel; masks (B, H, W)."""
    ignored = (masks == IGNORE_ID).float()[:, None]
    return functional.adaptive_max_pool2d(ignored, size) > 0


def _normalisation(folder: Path) -> tuple[tuple, tuple]:
    file = folder / "preprocessor_config.json"
    content = read_json(file) if file.is_file() else {}
    return tuple(content.get("image_mean", IMAGENET_MEAN)), tuple(content.get("image_std", IMAGENET_STD))
