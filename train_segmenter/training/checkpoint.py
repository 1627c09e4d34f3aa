"""The state of a training on disk, complete or absent, without pickled objects."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from diffusers_attnmask.ground.atomic_files import replacing_folder
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.model_files import readable_model
from train_segmenter.training.ema import WeightAverage
from train_segmenter.training.fingerprint import check_same

FOLDER = "checkpoints"


@dataclass
class Progress:
    """What a training knows beside its tensors; `fingerprint` is all that must not change on resuming."""

    step: int
    fingerprint: dict[str, Any]
    best: float | None = None
    loss_sum: float = 0.0  # of the steps since the last logged one
    loss_count: int = 0


def save(
    out: Path,
    progress: Progress,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
    scaler: torch.amp.GradScaler | None,
) -> None:
    """Writes `out/checkpoints/step-N`, then removes the older ones."""
    final = out / FOLDER / f"step-{progress.step:08d}"
    with replacing_folder(final) as temporary:
        save_file(_contiguous(model), temporary / "model.safetensors")
        if average is not None:
            save_file(_contiguous(average.model), temporary / "average.safetensors")
        states = {"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict() if scaler else None}
        with (temporary / "states.pt").open("wb") as file:  # whose errors say more than torch's own writer
            torch.save(states, file)
        content = {**vars(progress), "average_updates": average.updates if average else 0}
        (temporary / "progress.json").write_text(json.dumps(content, indent=2))
    for older in _steps(out)[:-1]:
        shutil.rmtree(older)


def load(
    out: Path,
    fingerprint: dict[str, Any],
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: WeightAverage | None,
    scaler: torch.amp.GradScaler | None,
) -> Progress:
    """Puts the newest checkpoint's state into model, optimiser, average and scaler."""
    steps = _steps(out)
    if not steps:
        raise nothing_to_resume(out)
    folder = steps[-1]
    with readable_model(folder):
        content = read_json(folder / "progress.json")
        updates = int(content.pop("average_updates"))
        progress = Progress(**content)
        progress.step, saved = int(progress.step), dict(progress.fingerprint)
    check_same(saved, fingerprint, out)
    with readable_model(folder):
        model.load_state_dict(load_file(folder / "model.safetensors"))
        if average is not None:
            average.model.load_state_dict(load_file(folder / "average.safetensors"))
            average.updates = updates
        states = torch.load(folder / "states.pt", weights_only=True, map_location="cpu")
        optimizer.load_state_dict(states["optimizer"])
        if scaler:
            scaler.load_state_dict(states["scaler"])
    return progress


def exists(out: Path) -> bool:
    """Whether there is a checkpoint to resume from."""
    return bool(_steps(out))


def nothing_to_resume(out: Path) -> FileNotFoundError:
    return FileNotFoundError(f"There is no checkpoint in {out / FOLDER} to resume from.")


def _steps(out: Path) -> list[Path]:
    return sorted((out / FOLDER).glob("step-*"))


def _contiguous(model: nn.Module) -> dict[str, torch.Tensor]:
    # cloned: tied weights share memory, which safetensors refuses
    return {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}
