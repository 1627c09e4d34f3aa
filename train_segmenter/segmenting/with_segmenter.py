"""Masks and overlays of a user's own pictures."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from diffusers_attnmask.ground.atomic_files import replacing
from diffusers_attnmask.ground.drawing import mask_picture, overlay
from train_segmenter.data.base import IMAGE_SUFFIXES, image_files, read_image
from train_segmenter.evaluation.inference import Inference
from train_segmenter.models.base import Segmenter


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


def segment(
    model: Segmenter, images: Sequence[Path], out: Path, inference: Inference | None = None
) -> Iterator[dict[str, Path]]:
    """Writes `NAME_mask.png` (palette, class ids) and `NAME_overlay.png`; yields both paths as it goes."""
    for path in images:
        pixels = read_image(path)
        ids = (inference or Inference()).mask(model, pixels)
        pictures = {
            "mask": mask_picture(ids),
            "overlay": overlay(Image.fromarray(pixels), ids, model.class_names),
        }
        written = {kind: out / f"{path.stem}_{kind}.png" for kind in pictures}
        for kind, picture in pictures.items():
            with replacing(written[kind]) as temporary:
                picture.save(temporary)
        yield written


def _distinct(images: list[Path]) -> None:
    by_stem: dict[str, Path] = {}
    for path in images:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise ValueError(
                f"{other} and {path} would write the same file; segment them into different folders."
            )
