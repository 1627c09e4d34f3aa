"""Checkpoints of a training stage: one file, replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import torch


def save(path: Path, state: dict) -> None:
    temporary = path.with_suffix(".partial")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path: Path) -> dict | None:
    """The last checkpoint, or None where the stage has not begun."""
    return torch.load(path, weights_only=True) if path.exists() else None
