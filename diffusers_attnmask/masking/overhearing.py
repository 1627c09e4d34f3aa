"""What a pipeline says of its own call while it runs, overheard: prompts, names of passes, crops.

Each of these lends the pipeline a function of ours in place of one of its own, which runs unchanged inside
it, and takes it back.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

from torch import Tensor, nn


@contextmanager
def replaced(owner: Any, name: str, function: Callable) -> Iterator[None]:
    """Let an object have a function of its own in place of a method."""
    before = vars(owner).get(name)
    vars(owner)[name] = function
    try:
        yield
    finally:
        if before is None:
            del vars(owner)[name]
        else:
            vars(owner)[name] = before


@contextmanager
def prompts_told(pipe: Any, name: str, tell: Callable[[Mapping[str, Any], Any], None]) -> Iterator[None]:
    """Tell the arguments of the pipeline's prompt encoder, which every call runs first, and what it
    returned.
    """
    original = getattr(pipe, name)
    signature = inspect.signature(original)

    @wraps(original)
    def encode_prompt(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {  # Z-Image writes its template into the caller's list
            name: list(value) if isinstance(value, list) else value for name, value in bound.arguments.items()
        }
        encoded = original(*args, **kwargs)
        tell(arguments, encoded)
        return encoded

    with replaced(pipe, name, encode_prompt):
        yield


@contextmanager
def passes_named(denoiser: nn.Module, tell: Callable[[str | None], None]) -> Iterator[None]:
    """Tell what the pipeline calls its passes, where it says so to its denoiser; None after each."""
    original = getattr(denoiser, "cache_context", None)
    if original is None:
        yield
        return

    @contextmanager
    def cache_context(name: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        tell(name)
        try:
            with original(name, *args, **kwargs) as entered:
                yield entered
        finally:
            tell(None)

    with replaced(denoiser, "cache_context", cache_context):
        yield


@contextmanager
def crops_told(pipe: Any, tell: Callable[[Callable[[Tensor], Tensor]], None]) -> Iterator[None]:
    """Tell how a pipeline that samples at a size of its own brings its images to the size asked for."""
    processor = getattr(pipe, "image_processor", None)
    original = getattr(processor, "resize_and_crop_tensor", None)
    if processor is None or original is None:
        yield
        return

    def resize_and_crop_tensor(samples: Tensor, new_width: int, new_height: int) -> Tensor:
        tell(partial(original, new_width=new_width, new_height=new_height))
        return original(samples, new_width, new_height)

    with replaced(processor, "resize_and_crop_tensor", resize_and_crop_tensor):
        yield


def check_eager(denoiser: nn.Module) -> None:
    """Refuse a denoiser with compiled attention: its graph has no place for recording, nor would its images
    stay the same.
    """
    for name, module in denoiser.named_modules():
        compiled = getattr(module, "_compiled_call_impl", None) is not None
        if (compiled or type(module).__name__ == "OptimizedModule") and has_attention(module):
            raise ValueError(
                f"masks cannot be read from a compiled model ({name or type(denoiser).__name__}): make them "
                "with the model as it was before torch.compile, or load it with the option compile, which "
                "compiles all but attention"
            )


def has_attention(module: nn.Module) -> bool:
    """Whether a network computes attention by a processor, as those of diffusers do."""
    return any(hasattr(own, "processor") for own in module.modules())
