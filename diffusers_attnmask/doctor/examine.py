"""The findings of `attnmask doctor`: versions, devices, extras and the bundled files, as plain values."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from diffusers_attnmask import bundled
from diffusers_attnmask.doctor import environment
from diffusers_attnmask.doctor.environment import Package
from diffusers_attnmask.ground.bars import bar


def examine() -> dict[str, Any]:
    """Everything there is to say; `healthy` is whether the core and the bundled files are as they must be."""
    core = [environment.inspect(requirement) for requirement in environment.requirements()]
    extras = {name: examine_extra(name) for name in in_progress(environment.extras())}
    files = {
        "model": examine_files(bundled.bundled_model),
        "transformer": examine_files(bundled.bundled_transformer),
        "oracle": examine_files(bundled.bundled_oracle),
    }
    return {
        "version": version(environment.DISTRIBUTION),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "core": {package.name: asdict(package) for package in core},
        "core_install": install_of(core),
        "devices": devices(),
        "extras": extras,
        "bundled": files,
        "healthy": not any(package.problem for package in core)
        and all(file["intact"] for file in files.values()),
    }


def examine_extra(name: str) -> dict[str, Any]:
    packages = [environment.inspect(requirement, load=True) for requirement in environment.requirements(name)]
    return {
        "works": not any(package.problem for package in packages),
        "packages": {package.name: asdict(package) for package in packages},
        "install": install_of(packages),
    }


def install_of(packages: list[Package]) -> str | None:
    broken = [package for package in packages if package.problem]
    return environment.install_command(broken) if broken else None


def examine_files(locate: Callable[[], Path]) -> dict[str, Any]:
    try:
        return {"intact": True, "path": str(locate()), "problem": None}
    except OSError as problem:
        return {"intact": False, "path": None, "problem": str(problem)}


def devices() -> list[dict[str, Any]]:
    """The devices PyTorch can use, fastest first, with their memory where it has its own."""
    try:
        import torch

        from diffusers_attnmask.ground.device import fastest_precision
    except ImportError:  # told among the core packages
        return []
    found: list[dict[str, Any]] = []
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        found.append(
            {"device": f"cuda:{index}", "name": card.name, "memory_gib": round(card.total_memory / 2**30, 1)}
        )
    if torch.backends.mps.is_available():
        found.append({"device": "mps", "name": platform.processor(), "memory_gib": None})
    computes = ", computes in bf16" if fastest_precision("cpu") == "bf16" else ""
    name = f"{platform.machine()}, {torch.get_num_threads()} threads{computes}"
    return [*found, {"device": "cpu", "name": name, "memory_gib": None}]


def in_progress(names: list[str]) -> Iterable[str]:
    """Importing the extras takes seconds."""
    return bar(names, "importing the extras", unit="extra", passing=True)
