"""Pairs with class maps and the oracle's masks: sampled with a model and kept in a folder, or simulated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate
from tqdm import tqdm

from benchmarks.world.sampled_masks import sampled
from benchmarks.world.scenes import Scene, unseen_scenes
from dataset_builder.refinement.threshold import label_map
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.methods import MaskMethod
from tiny_world import CLASSES
from tiny_world.judge import judge

NOISE = 0.08  # deviation, in simulated maps
BATCH = 8  # pictures that are sampled at once


@dataclass(frozen=True)
class Pair:
    """An image uint8 (H, W, 3), class maps (C, H, W), the method's mask and the oracle's ids (H, W)."""

    image: Tensor
    maps: Tensor
    raw: Tensor
    truth: np.ndarray
    names: tuple[str, ...]
    prompt: str

    @classmethod
    def load(cls, path: Path) -> Pair:
        with np.load(path) as stored:
            image, maps, raw = (torch.from_numpy(stored[name]) for name in ("image", "maps", "raw"))
            names = tuple(str(stored["names"]).split())
            return cls(image, maps.float(), raw, stored["truth"], names, str(stored["prompt"]))


def sampled_pairs(
    cache: Path,
    pipe: DiffuMaskPipeline,
    count: int,
    method: MaskMethod,
    settings: Mapping[str, Any],
    seed: int = 0,
) -> list[Pair]:
    """The pairs of a folder, after those that it lacks were sampled."""
    wanted = wanted_scenes(count)
    paths = [cache / f"pair-{index:05d}.npz" for index in range(count)]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    for start in tqdm(range(0, len(missing), BATCH), "sampling"):
        batch = missing[start : start + BATCH]
        asked = [wanted[index] for index in batch]
        images, readings = sampled(pipe, asked, [method], settings, seed)
        for index, scene, image, truth, (mask, maps) in zip(
            batch, asked, images, judge(images), readings[0], strict=True
        ):
            content = {"image": image, "maps": maps.half().numpy(), "raw": mask, "truth": truth}
            with replacing(paths[index]) as path, path.open("wb") as stream:
                np.savez(stream, **content, names=" ".join(scene.classes), prompt=scene.caption)
    return list(map(Pair.load, paths))


def simulated_pairs(count: int) -> list[Pair]:
    return list(map(simulated, wanted_scenes(count)))


def wanted_scenes(count: int) -> list[Scene]:
    """One object and two objects in turns, so that more pairs are the same ones and some more."""
    half = -(-count // 2)
    turns = zip(unseen_scenes(1, half), unseen_scenes(2, half), strict=True)
    return [scene for turn in turns for scene in turn][:count]


def simulated(scene: Scene) -> Pair:
    """A render with maps as attention gives them: coarse, soft and noisy."""
    generator = torch.Generator().manual_seed(scene.seed)
    ids = [CLASSES.index(name) + 1 for name in scene.classes]
    exact = torch.stack([torch.from_numpy((scene.mask == own).astype(np.float32)) for own in ids])
    coarse = avg_pool2d(adaptive_avg_pool2d(exact[None], 16), 3, stride=1, padding=1)
    coarse = coarse + NOISE * torch.randn(coarse.shape, generator=generator)
    maps = interpolate(coarse, scene.mask.shape, mode="bicubic", align_corners=False)[0].clamp(min=0)
    maps = maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-6)
    image, raw = torch.from_numpy(scene.image.copy()), label_map(maps, 0.5).byte()
    return Pair(image, maps, raw, scene.mask, scene.classes, scene.caption)
