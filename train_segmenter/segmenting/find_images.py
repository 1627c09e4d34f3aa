"""Which pictures a user means."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from train_segmenter.data.base import IMAGE_SUFFIXES, image_files


def find_images(words: Sequence[str]) -> list[Path]:
    """The pictures meant by files, folders and patterns such as `photos/*.jpg`, each once."""
    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            found.update(dict.fromkeys(image_files(path)))
        elif path.is_file():
            found[path] = None
        else:
            matches = (Path(match) for match in sorted(glob.glob(word, recursive=True)))
            pictures = [match for match in matches if match.suffix.lower() in IMAGE_SUFFIXES]
            if not pictures:
                raise FileNotFoundError(f"There is no picture, folder or matching file for {word!r}.")
            found.update(dict.fromkeys(pictures))
    _distinct(list(found))
    return list(found)


def _distinct(images: list[Path]) -> None:
    by_stem: dict[str, Path] = {}
    for path in images:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise ValueError(
                f"{other} and {path} would write the same file; segment them into different folders."
            )
