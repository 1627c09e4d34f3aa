"""What a figure depends on beside its settings: code, packages, bundled models and machine."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from diffusers_attnmask.bundled import BUNDLED, CHECKSUMS

ROOT = Path(__file__).parents[1]
PACKAGES = ("diffusers-attnmask", "torch", "diffusers", "transformers")


def environment() -> dict[str, Any]:
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        **{name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "models": models(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        **gpu,
    }


def models() -> str:
    """What the bundled models are, in eight digits: figures of other ones are not today's."""
    return hashlib.sha256((BUNDLED / CHECKSUMS).read_bytes()).hexdigest()[:8]


def processor() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def commit() -> str | None:
    """Of the code, where it is a checkout: `-dirty` if files differ from it."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
