"""What must not change between a training and its resumption."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from train_segmenter.data.base import Source
from train_segmenter.data.mixture import Joined, Mixture
from train_segmenter.models.base import Segmenter
from train_segmenter.training.options import TrainOptions

FREE_OPTIONS = ("workers", "evaluate_every", "pictures", "save_every", "trackers")


def fingerprint(
    model: Segmenter, source: Source, validation: Source | None, options: TrainOptions, processes: int
) -> dict[str, Any]:
    """Plain values that say which training this is; those of the model come over the options."""
    return {
        "model": model.spec.model,
        "classes": list(model.class_names),
        "processes": processes,
        **marks(source, validation),
        **settings(options),
        **model.settings,
    }


def marks(source: Source, validation: Source | None) -> dict[str, Any]:
    """What tells the data of a training, and those that choose what is kept of it, from others."""
    return {
        "pairs": len(source),
        "weights": list(source.weights) if isinstance(source, Mixture) else None,
        "data_pixels": digest_of(source),
        "validation_pixels": None if validation is None else digest_of(validation),
    }


def digest_of(source: Source) -> str:
    """A digest of the pixels of a few pairs, since names and numbers are often those of other data, too."""
    digest = sha256(repr(len(source)).encode())
    for part in source.sources if isinstance(source, Joined) else (source,):
        for index in looked_at(len(part)):
            sample = part[index]
            for pixels in (sample.image, sample.mask, sample.objects):
                digest.update(b"" if pixels is None else repr(pixels.shape).encode() + pixels.tobytes())
    return digest.hexdigest()[:16]


def looked_at(length: int) -> list[int]:
    """The first, the middle and the last of so many pairs.

    >>> looked_at(12), looked_at(1)
    ([0, 6, 11], [0])
    """
    return sorted({0, length // 2, length - 1})


def settings(options: TrainOptions) -> dict[str, Any]:
    """The options but for those that a resumed training may change."""
    return {name: value for name, value in options.to_dict().items() if name not in FREE_OPTIONS}


def check_same(saved: dict[str, Any], current: dict[str, Any], out: Path) -> None:
    """Refuses settings and data that differ from those that were saved in a folder, as JSON holds them."""
    current = json.loads(json.dumps(current))
    changed = [name for name in current if saved.get(name) != current[name]]
    if changed:
        listed = "; ".join(f"{name} was {saved.get(name)!r}, now {current[name]!r}" for name in changed)
        raise ValueError(
            f"The training in {out} cannot be resumed with other settings or data: {listed}. Resume it with "
            "those that it began with, or start anew in another folder."
        )
