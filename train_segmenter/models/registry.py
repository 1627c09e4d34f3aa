"""Models by name (`smp:unet:resnet18`, `mask2former:swin-tiny`, `seg-diffusion`), and from what was saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download

from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.model_files import readable_model
from train_segmenter.models.base import Segmenter, SegmenterSpec

CONFIG_FILE = "config.json"  # of a model of smp or transformers
PIPELINE_FILE = "model_index.json"  # of a pipeline of diffusers
CONFIGS = ("*.json",)  # of a repository
FILES = (*CONFIGS, "*.safetensors", "*.txt")  # code is not among them


@dataclass(frozen=True)
class Kind:
    """A kind of model, of which a name begins with the kind's own."""

    segmenter: str  # module and class; imported when a model is wanted, since each needs its own library
    form: str  # how its models are named
    saved: Callable[[Path], bool]  # whether a folder holds one
    library: str  # which loads it, as the Hub calls it
    card: str = "model_card.md"  # of hub_cards

    def segmenter_class(self) -> type[Segmenter]:
        module, _, name = self.segmenter.partition(":")
        try:
            return getattr(import_module(module), name)
        except ModuleNotFoundError as missing:
            told = f"{self.form.partition(' ')[0]} needs {missing.name}"
            raise OSError(f"{told}: pip install 'diffusers-attnmask[train]'") from missing


KINDS: dict[str, Kind] = {
    "smp": Kind(
        "train_segmenter.models.smp:SmpSegmenter",
        "smp:ARCHITECTURE:ENCODER (smp:unet:resnet18)",
        lambda folder: "_model_class" in _config(folder),
        "segmentation-models-pytorch",
    ),
    "mask2former": Kind(
        "train_segmenter.models.mask2former:Mask2FormerSegmenter",
        "mask2former:BACKBONE (mask2former:swin-tiny, mask2former:resnet50, or a Hub name)",
        lambda folder: _config(folder).get("model_type") == "mask2former",
        "transformers",
    ),
    "seg-diffusion": Kind(
        "train_segmenter.models.seg_diffusion.segmenter:SegDiffusionSegmenter",
        "seg-diffusion:CHECKPOINT (a text-to-image model; seg-diffusion alone begins from the bundled one)",
        lambda folder: (folder / PIPELINE_FILE).is_file(),
        "diffusers",
        card="pipeline_card.md",
    ),
}


def create(name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options: Any) -> Segmenter:
    """A new model for the given classes; `pretrained` is "auto", "require" or "none".

    >>> create("smp:unet:resnet18", ("background", "dog"), pretrained="none").class_names
    ('background', 'dog')
    """
    check_options(name, options)
    return (
        kind_of(name)
        .segmenter_class()
        .create(name.partition(":")[2], tuple(class_names), pretrained, **options)
    )


def check_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise unless there is such a kind of model, and a new one of that name takes the options."""
    kind = kind_of(name)
    if options and name.partition(":")[0] in KINDS:
        kind.segmenter_class().check_options(name.partition(":")[2], options)


def load(path: str | Path) -> Segmenter:
    """A saved model: a folder of ours or of its library, or a Hub name."""
    folder = model_folder(str(path))
    kind, spec = kind_saved(folder), SegmenterSpec.read(folder)
    with readable_model(folder):
        return kind.segmenter_class().load(folder, spec).eval()


def kind_of(name: str) -> Kind:
    """The kind that a model's name begins with, or of the trained model in a folder of that name."""
    kind = KINDS.get(name.partition(":")[0])
    if kind is None and Path(name).is_dir():
        return kind_saved(Path(name))
    if kind is None:
        *forms, last = (known.form for known in KINDS.values())
        raise ValueError(f"Unknown model {name!r}. Models are {', '.join(forms)} or {last}.")
    return kind


def kind_saved(folder: Path) -> Kind:
    """The kind of the model that a folder holds."""
    for kind in KINDS.values():
        if kind.saved(folder):
            return kind
    if not (folder / CONFIG_FILE).is_file():
        raise FileNotFoundError(f"There is no model in {folder}: it has no {CONFIG_FILE}.")
    what = _config(folder).get("model_type", "unknown")
    raise ValueError(f"{folder} holds a model of the kind {what!r}; known kinds are {', '.join(KINDS)}.")


def names_saved(folder: Path) -> tuple[str, ...] | None:
    """The classes of the model that a folder holds; None where it says none, or may be asked for any."""
    kind, spec = kind_saved(folder), SegmenterSpec.read(folder)
    return None if spec is None or kind is KINDS["seg-diffusion"] else spec.class_names


def model_folder(path: str, files: Sequence[str] = FILES) -> Path:
    """The folder of a trained model: itself, or its download's; its kind may stand first."""
    if not path.strip():
        raise ValueError(f"{path!r} names no model: give a folder or a Hub name")
    kind, _, rest = path.partition(":")
    if Path(path).exists():
        return Path(path)
    if kind in KINDS:
        if not rest:
            raise FileNotFoundError(
                f"{kind} is a kind of model, not a trained one: train it (attnmask train --model {path}) and "
                "name its folder, or a Hub name."
            )
        return model_folder(rest, files)
    with within_reach(path, "model"):
        return Path(snapshot_download(path, allow_patterns=list(files)))


def _config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG_FILE
    return read_json(file) if file.is_file() else {}
