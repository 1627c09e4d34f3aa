"""A trained segmenter as one file for other runtimes: torch.export (.pt2) or ONNX (.onnx)."""

from __future__ import annotations

import copy
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from diffusers_attnmask.ground.atomic_files import replacing
from train_segmenter.models.base import Segmenter

FORMATS = (".pt2", ".onnx")


def export(model: Segmenter, path: str | Path, height: int, width: int) -> Path:
    """Writes the model: images float (B, 3, height, width) in [0, 1] to logits (B, K, height, width), any B.

    Normalisation is inside; the result is that of the model in evaluation mode.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ValueError(f"An exported model ends in {' or '.join(FORMATS)}, not {path.name!r}.")
    model = copy.deepcopy(model).cpu().eval()
    example = torch.rand(2, 3, height, width)
    shapes = ({0: torch.export.Dim("batch")},)
    with replacing(path) as temporary, torch.no_grad():
        if path.suffix == ".pt2":
            torch.export.save(torch.export.export(model, (example,), dynamic_shapes=shapes), temporary)
        else:
            if not (find_spec("onnx") and find_spec("onnxscript")):
                raise ValueError("ONNX export needs onnx and onnxscript: pip install onnx onnxscript")
            program: Any = torch.onnx.export(
                model,
                (example,),
                input_names=["images"],
                output_names=["logits"],
                dynamic_shapes=shapes,
                dynamo=True,
                verbose=False,
            )
            program.save(temporary, external_data=False)
    return path
