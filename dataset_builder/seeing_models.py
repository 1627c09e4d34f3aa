"""Models of transformers that see pictures: loaded, or, before hours of work, made without their weights."""

from __future__ import annotations

from typing import Any, Literal

from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model

Taker = Literal["AutoModel", "AutoModelForImageTextToText"]  # of transformers: which models are meant


def seeing_model(taker: Taker, model: str, *, weights: bool = True) -> tuple[Any, Any]:
    """A model by its folder or Hub name, and its processor. weights: without them it cannot be asked, but it
    is of the class that it would be."""
    import transformers
    from accelerate import init_empty_weights

    kind = getattr(transformers, taker)
    with within_reach(model, "model"), readable_model(model):
        if weights:
            network = kind.from_pretrained(model, **TENSORS_ALONE).eval()
        else:
            config = transformers.AutoConfig.from_pretrained(model)
            with init_empty_weights():
                network = kind.from_config(config)
        return network, transformers.AutoProcessor.from_pretrained(model)
