"""Models by name (`smp:unet:resnet18`, `mask2former:swin-tiny`, `seg-diffusion`), and from what was saved."""

from __future__ import annotations

import json
from pathlib import Path

from diffusers_attnmask.ground.hub_errors import within_reach
from train_segmenter.models.base import Segmenter, SegmenterSpec

LIBRARIES = ("smp", "mask2former", "seg-diffusion")
PIPELINE_FILE = "model_index.json"  # of a pipeline of diffusers


def create(name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options) -> Segmenter:
    """A new model for the given classes; `pretrained` is "auto", "require" or "none".

    >>> create("smp:unet:resnet18", ("background", "dog"), pretrained="none").class_names
    ('background', 'dog')
    """
    library, _, rest = name.partition(":")
    if library not in LIBRARIES or not (rest or library == "seg-diffusion"):
        raise ValueError(
            f"Unknown model {name!r}. Models are smp:ARCHITECTURE:ENCODER (smp:unet:resnet18), "
            "mask2former:BACKBONE (mask2former:swin-tiny, mask2former:resnet50, or a Hub name) or "
            "seg-diffusion:CHECKPOINT (a text-to-image model; seg-diffusion alone begins from the bundled "
            "one)."
        )
    return _module(library).create(rest, tuple(class_names), pretrained, **options)


def load(path: str | Path) -> Segmenter:
    """A saved model: a folder of ours or of its library, or a Hub name."""
    folder = model_folder(str(path))
    if (folder / PIPELINE_FILE).is_file():
        return _module("seg-diffusion").load(folder, SegmenterSpec.read(folder)).eval()
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


def is_seg_diffusion(name: str) -> bool:
    """Whether a model's name, or the folder of a trained one, means seg-diffusion."""
    return name.partition(":")[0] == "seg-diffusion" or (Path(name) / PIPELINE_FILE).is_file()


def _module(library: str):
    if library == "smp":
        from train_segmenter.models import smp as module
    elif library == "seg-diffusion":  # the only one that needs the diffusion pipelines
        from train_segmenter.models.seg_diffusion import segmenter as module
    else:
        from train_segmenter.models import mask2former as module
    return module


def model_folder(path: str) -> Path:
    """The folder of a trained model: itself, or where it is after its download from the Hub."""
    path = path.removeprefix("seg-diffusion:")
    if Path(path).exists():
        return Path(path)
    if path == "seg-diffusion":
        raise FileNotFoundError(
            "seg-diffusion is a kind of model, not a trained one: train it (attnmask train --model "
            "seg-diffusion) and name its folder, or a Hub name."
        )
    from huggingface_hub import snapshot_download

    with within_reach(path, "model"):
        return Path(snapshot_download(path, allow_patterns=["*.json", "*.safetensors", "*.txt"]))
