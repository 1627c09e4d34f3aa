"""Segmentation masks from the attention of diffusers pipelines.

Names are imported on first use, so that the light modules (palette, pictures) stay free of torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

HOME_OF = {
    "DiffuMaskPipeline": "masking.pipeline",
    "SegDiffusionPipeline": "seg_diffusion.pipeline",
    "TokenEmbedding": "words.token_embedding",
    "optimize_tokens": "masking.token_learning",
    "trace": "masking.tracing",
    "bundled_model": "bundled",
    "bundled_transformer": "bundled",
    "bundled_oracle": "bundled",
}

__all__ = ["__version__", *HOME_OF]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("diffusers-attnmask")
    if name in HOME_OF:
        return getattr(import_module(f"{__name__}.{HOME_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
