"""Models by name (`smp:unet:resnet18`, `mask2former:swin-tiny`), and from what was saved."""

from __future__ import annotations

import json
from pathlib import Path

from train_segmenter.models.base import Segmenter, SegmenterSpec

LIBRARIES = ("smp", "mask2former")


def create(name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options) -> Segmenter:
    """A new model for the given classes; `pretrained` is "auto", "require" or "none".

    >>> create("smp:unet:resnet18", ("background", "dog"), pretrained="none").class_names
    ('background', 'dog')
    """
    library, _, rest = name.partition(":")
    if library not in LIBRARIES or not rest:
        raise ValueError(
            f"Unknown model {name!r}. Models are smp:ARCHITECTURE:ENCODER (smp:unet:resnet18) or "
            "mask2former:BACKBONE (mask2former:swin-tiny, mask2former:resnet50, or a Hub name)."
        )
    return _module(library).create(rest, tuple(class_names), pretrained, **options)


def load(path: str | Path) -> Segmenter:
    """A saved model: a folder of ours or of its library, or a Hub name."""
    folder = _folder(str(path))
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise FileNotFoundError(f"There is no model in {folder}: it has no config.json.")
    config = json.loads(config_file.read_text(encoding="utf-8"))
    library = "mask2former" if config.get("model_type") == "mask2former" else "smp"
    if library == "smp" and "_model_class" not in config:
        kind = config.get("model_type", "unknown")
        raise ValueError(
            f"{folder} holds a model of the kind {kind!r}; known kinds are {', '.join(LIBRARIES)}."
        )
    return _module(library).load(folder, SegmenterSpec.read(folder)).eval()


def _module(library: str):
    if library == "smp":
        from train_segmenter.models import smp as module
    else:
        from train_segmenter.models import mask2former as module
    return module


def _folder(path: str) -> Path:
    if Path(path).exists():
        return Path(path)
    if path.count("/") != 1:
        raise FileNotFoundError(f"There is no model at {path!r}: neither a folder nor a Hub name user/name.")
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(path, allow_patterns=["*.json", "*.safetensors"]))
