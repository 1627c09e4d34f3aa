"""Where the curves go: a JSON line for each logged step, and tensorboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from diffusers_attnmask.ground.atomic_files import write_text

LOG_FILE = "train.jsonl"


class Tracker(Protocol):
    def log(self, values: dict[str, float], step: int) -> None: ...

    def close(self) -> None: ...


class JsonLines:
    """Appends `{"step": …, …}` lines; on resuming, lines of later steps than the checkpoint's are dropped."""

    def __init__(self, out: Path, start: int) -> None:
        kept = [line for line in read_log(out) if line["step"] <= start] if start else []
        self.path = out / LOG_FILE
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in kept))

    def log(self, values: dict[str, float], step: int) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")

    def close(self) -> None:
        """Every line is already on disk."""


class TensorBoard:
    """Scalars in `out/tensorboard`."""

    def __init__(self, out: Path, start: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ValueError("The tensorboard tracker needs tensorboard: pip install tensorboard") from None
        # purge_step hides what an interrupted run wrote past its checkpoint
        self.writer = SummaryWriter(str(out / "tensorboard"), purge_step=start + 1 if start else None)

    def log(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


TRACKERS: dict[str, Callable[[Path, int], Tracker]] = {"jsonl": JsonLines, "tensorboard": TensorBoard}


def read_log(out: Path) -> list[dict]:
    """The logged lines of a training's folder; a last one that was cut off is none."""
    path = out / LOG_FILE
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
