"""Which SAM a folder or a repository holds, and what it can be asked by."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from diffusers_attnmask.ground.device import DTYPES, device_called, precision_on
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.json_files import read_json
from diffusers_attnmask.ground.model_files import readable_model

if TYPE_CHECKING:
    from dataset_builder.sam.options import SamOptions
    from dataset_builder.sam.prompted import PromptedSam
    from dataset_builder.sam.worded import WordedSam

# By the model_type of a configuration; sam2_video and sam3_video are what the published repositories say.
PROMPTED = ("sam", "sam2", "sam2_video", "sam3_tracker", "sam3_video")
WORDED = ("sam3", "sam3_video")
CONFIG = "config.json"
WORDLESS = "take the prompts attention, or another model"


def check_sam(model: str, options: SamOptions, wordless: str = WORDLESS) -> None:
    """Raise unless the model is a SAM that can be asked so, here; only its configuration is read.

    wordless: what to do where it takes no words.
    """
    device_called(options.device)
    kind = kind_of(model)
    if kind not in (*PROMPTED, *WORDED):
        known = ", ".join(dict.fromkeys((*PROMPTED, *WORDED)))
        raise ValueError(f"{model} is no SAM: its configuration says {kind!r}, and not one of {known}")
    if options.prompts == "words" and kind not in WORDED:
        raise ValueError(
            f"{model} takes no words: they need a SAM 3, and its configuration says {kind!r}; {wordless}"
        )
    if options.prompts == "attention" and kind not in PROMPTED:
        raise ValueError(f"{model} is the half of SAM 3 that takes words alone: take the prompts words")


def holds_sam(folder: Path) -> bool:
    """Whether a folder is of a SAM, rather than of another kind of model or of none."""
    file = folder / CONFIG
    return file.is_file() and read_json(file).get("model_type") in (*PROMPTED, *WORDED)


def kind_of(model: str) -> str | None:
    """The model_type of the configuration."""
    from transformers import PreTrainedConfig

    with within_reach(model, "model"), readable_model(model):
        return PreTrainedConfig.get_config_dict(model)[0].get("model_type")


def asked_sam(model: str, options: SamOptions) -> PromptedSam | WordedSam:
    return (worded_sam if options.prompts == "words" else prompted_sam)(model, options)


@cache  # once in each process
def prompted_sam(model: str, options: SamOptions) -> PromptedSam:
    """The SAM that is asked by what attention knows."""
    from dataset_builder.sam.prompted import PromptedSam

    check_sam(model, options)
    device = device_called(options.device)
    return PromptedSam.load(model, device, DTYPES[precision_on(options.dtype, device)])


@cache
def worded_sam(model: str, options: SamOptions) -> WordedSam:
    """The SAM 3 that is asked by words."""
    from dataset_builder.sam.worded import WordedSam

    check_sam(model, options)
    device = device_called(options.device)
    return WordedSam.load(model, device, DTYPES[precision_on(options.dtype, device)])
