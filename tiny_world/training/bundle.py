"""The last stage: put the finished pipeline into the package, beside the mask settings that suit it."""

from __future__ import annotations

import shutil
from pathlib import Path

from diffusers_attnmask.bundled import BUNDLED, write_checksums


def bundle(folder: Path, package: Path = BUNDLED) -> None:
    """Copy ``folder/pipeline`` to the package's model folder; settings already there stay."""
    if not (folder / "pipeline" / "model_index.json").exists():
        raise FileNotFoundError(f"{folder / 'pipeline'} is no pipeline: run the denoiser stage first")
    shutil.copytree(folder / "pipeline", package / "tiny-world", dirs_exist_ok=True)
    write_checksums(package)
