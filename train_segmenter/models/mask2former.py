"""transformers' Mask2Former with any backbone, as `mask2former:BACKBONE` or `mask2former:HUB_NAME`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
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

from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.ground.json_files import read_json
from train_segmenter.models.base import IMAGENET_MEAN, IMAGENET_STD, Segmenter, SegmenterSpec, ids_shown, sent
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


class Mask2FormerSegmenter(Segmenter):
    """Mask2Former for semantic segmentation; a class's logit is the logarithm of its score."""

    own_loss: ClassVar[bool] = True

    @property
    def settings(self) -> dict[str, Any]:
        return {"loss": "matched sets of masks, as published"}

    @classmethod
    def create(
        cls, name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options: Any
    ) -> Mask2FormerSegmenter:
        """`name` is swin-tiny, -small, -base or -large, a timm model (resnet50), a JSON config or a Hub name.

        Options override entries of the Mask2Former configuration.
        """
        ids = {label: number for number, label in enumerate(class_names)}
        entries = {"id2label": dict(enumerate(class_names)), "label2id": ids, **options}
        cls.check_options(name, options)
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
        return cls(network, SegmenterSpec(f"mask2former:{name}", class_names))

    @classmethod
    def check_options(cls, name: str, options: Mapping[str, Any]) -> None:
        if not (Path(name).is_file() or name in SWIN or "/" in name or timm.is_model(name)):
            raise ValueError(
                f"mask2former has no backbone {name!r}. Known: {', '.join(SWIN)}, timm models (resnet50), "
                "a JSON config file, and Hub names."
            )
        known = Mask2FormerConfig().to_dict()
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
        outputs = self.network(pixel_values=prepared)
        masks = functional.interpolate(
            outputs.masks_queries_logits.float(),
            size=prepared.shape[-2:],
            mode="bilinear",
            align_corners=False,
        )
        classes = outputs.class_queries_logits.float().softmax(dim=-1)[
            ..., :-1
        ]  # (B, Q, K), without "no object"
        scores = torch.einsum("bqk,bqhw->bkhw", classes, masks.sigmoid())
        return scores.clamp(min=FLOOR).log()

    def training_loss(
        self,
        images: Tensor,
        masks: Tensor,
        criterion: Callable[[Tensor, Tensor], Tensor],
        shown: Sequence[Sequence[int]] | None = None,
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


def matched_targets(masks: Tensor, shown: Sequence[Sequence[int]]) -> tuple[list[Tensor], list[Tensor]]:
    """The ids (classes,) that each of the masks (B, H, W) shows, and where it shows them (classes, H, W)."""
    flat = torch.tensor([label for ids in shown for label in ids], dtype=torch.long)
    labels = list(sent(flat, masks.device).split([len(ids) for ids in shown]))
    return labels, [(mask == own[:, None, None]).float() for mask, own in zip(masks, labels, strict=True)]


def _ignored(masks: Tensor, size: torch.Size) -> Tensor:
    """Bool (B, 1, h, w): cells of the coarser grid that touch an ignored pixel; masks (B, H, W)."""
    ignored = (masks == IGNORE_ID).float()[:, None]
    return functional.adaptive_max_pool2d(ignored, size) > 0


def _normalisation(folder: Path) -> tuple[tuple, tuple]:
    file = folder / "preprocessor_config.json"
    content = read_json(file) if file.is_file() else {}
    return tuple(content.get("image_mean", IMAGENET_MEAN)), tuple(content.get("image_std", IMAGENET_STD))
