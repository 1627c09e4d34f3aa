"""segmentation_models.pytorch: every architecture with every encoder, as `smp:ARCHITECTURE:ENCODER`."""

from __future__ import annotations

import inspect
import io
import warnings
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import segmentation_models_pytorch as smp
import timm
from torch import Tensor, nn

from diffusers_attnmask.ground.atomic_files import share
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.publishing import CARD
from train_segmenter.models.base import Segmenter, SegmenterSpec
from train_segmenter.models.pretrained import build

CONFIG = "config.json"


class SmpSegmenter(Segmenter):
    """A network of segmentation_models.pytorch."""

    def __init__(self, network: nn.Module, spec: SegmenterSpec) -> None:
        super().__init__(network, spec)
        if isinstance(network, smp.PAN):  # pools its features, already at stride 16, three times more
            self.stride = 128

    @classmethod
    def create(
        cls, name: str, class_names: tuple[str, ...], pretrained: str = "auto", **options: Any
    ) -> SmpSegmenter:
        """`name` is `ARCHITECTURE:ENCODER`; options are the architecture's own arguments."""
        architecture, encoder = _parts(name)
        cls.check_options(name, options)

        def with_weights(weights: str | bool | None) -> nn.Module:
            try:
                return smp.create_model(architecture, encoder, weights, classes=len(class_names), **options)
            except (ValueError, TypeError, AttributeError, KeyError, IndexError) as mistake:
                if not options:
                    raise
                raise ValueError(f"model_options {options} do not fit smp:{name}: {mistake}") from mistake

        network = build(
            pretrained,
            lambda: with_weights(_weights_of(encoder)),
            lambda: with_weights(None),
            f"the encoder {encoder}",
        )
        return cls(network, SegmenterSpec(f"smp:{architecture.lower()}:{encoder}", class_names))

    @classmethod
    def check_options(cls, name: str, options: Mapping[str, Any]) -> None:
        _check(*_parts(name), options)

    @classmethod
    def load(cls, folder: Path, spec: SegmenterSpec | None) -> SmpSegmenter:
        made = read_json(folder / CONFIG).get("_model_class")
        if made not in (known := {own.__name__ for own in smp.MODEL_ARCHITECTURES_MAPPING.values()}):
            raise ValueError(
                f"{CONFIG}: _model_class must be one of {', '.join(sorted(known))}, not {made!r}"
            )
        # it prints where a program may expect JSON alone, and warns of what it then raises
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network = smp.from_pretrained(str(folder))
        if spec is None:
            classes = network.config["classes"]
            spec = SegmenterSpec(
                f"smp:{type(network).__name__.lower()}:{network.config['encoder_name']}",
                tuple(f"class {number}" for number in range(classes)),
            )
        spec.check_outputs(network.config["classes"])
        return cls(network, spec)

    def logits(self, prepared: Tensor) -> Tensor:
        return self.network(prepared)

    def backbone_parameters(self) -> Iterable[nn.Parameter]:
        return self.network.encoder.parameters()

    def save_pretrained(self, folder: Path) -> None:
        carded = (folder / CARD).exists()
        self.network.save_pretrained(folder)
        if not carded:
            (folder / CARD).unlink()  # the library's; ours follows
        share(folder / "model.safetensors")
        self.spec.write(folder)


def _parts(name: str) -> tuple[str, str]:
    """Architecture and encoder."""
    architecture, _, encoder = name.partition(":")
    return architecture, encoder or "resnet34"


def _check(architecture: str, encoder: str, options: Mapping[str, Any]) -> None:
    known = smp.MODEL_ARCHITECTURES_MAPPING
    if architecture.lower() not in known:
        raise ValueError(f"smp has no architecture {architecture!r}. Known: {', '.join(known)}.")
    if not encoder.startswith(("tu-", "timm-")) and encoder not in smp.encoders.get_encoder_names():
        raise ValueError(
            f"smp has no encoder {encoder!r}. Known: {', '.join(smp.encoders.get_encoder_names())}, and "
            "tu-NAME for every model of timm."
        )
    if encoder.startswith("tu-") and not timm.is_model(encoder.removeprefix("tu-")):
        raise ValueError(f"timm has no model {encoder.removeprefix('tu-')!r}: timm.list_models() names them.")
    parameters = inspect.signature(known[architecture.lower()].__init__).parameters
    # what an architecture does not know goes to the encoder, and only those of timm read it
    if not encoder.startswith("tu-") and (unknown := set(options) - set(parameters)):
        known_options = ", ".join(name for name in parameters if name not in ("self", "classes"))
        raise ValueError(
            f"{architecture} has no option {', '.join(sorted(unknown))}; it has {known_options}."
        )


def _weights_of(encoder: str) -> str | bool | None:
    """The ImageNet weights where there are any, else the encoder's first."""
    if encoder.startswith("tu-"):
        return True
    available = (
        smp.encoders.encoders[encoder]["pretrained_settings"] if encoder in smp.encoders.encoders else {}
    )
    return "imagenet" if "imagenet" in available else next(iter(available), None)
