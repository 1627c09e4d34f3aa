"""What must not change between a training and its resumption."""

from __future__ import annotations

import json
from typing import Any

from train_segmenter.data.base import Source
from train_segmenter.models.base import Segmenter
from train_segmenter.training.options import TrainOptions

FREE_OPTIONS = ("workers", "evaluate_every", "pictures", "save_every", "trackers")


def fingerprint(model: Segmenter, source: Source, options: TrainOptions, processes: int) -> dict[str, Any]:
    """Plain values that say which training this is; those of the model come over the options."""
    return {
        "model": model.spec.model,
        "classes": list(model.class_names),
        "pairs": len(source),
        "processes": processes,
        **settings(options),
        **model.settings,
    }


def settings(options: TrainOptions) -> dict[str, Any]:
    """The options but for those that a resumed training may change."""
    return {name: value for name, value in options.to_dict().items() if name not in FREE_OPTIONS}


def check_same(saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Refuses settings that differ from those that were saved, as JSON holds them."""
    current = json.loads(json.dumps(current))
    changed = [name for name in current if saved.get(name) != current[name]]
    if changed:
        listed = "; ".join(f"{name} was {saved.get(name)!r}, now {current[name]!r}" for name in changed)
        raise ValueError(
            f"The training cannot be resumed with other settings: {listed}. Start anew in another folder."
        )
