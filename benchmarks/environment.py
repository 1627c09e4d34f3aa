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
WRITTEN = ("benchmarks/results", "benchmarks/README.md", "docs/results.md")  # by benchmarks, and no code
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
    """Of the code, where it is a checkout: `-dirty` if files differ from it, other than a board's own."""
    try:
        known = git("rev-parse", "--short", "HEAD")
        differs = git("diff", "--name-only", "HEAD", "--", ".", *(f":(exclude){own}" for own in WRITTEN))
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{known}-dirty" if differs else known


def git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
