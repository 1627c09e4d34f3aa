"""A learned embedding that stands for a class, kept as safetensors."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from diffusers_attnmask.ground.atomic_files import write_bytes

FORMAT = "attnmask-token-embedding"


@dataclass(frozen=True, eq=False)
class TokenEmbedding:
    """A class as a model's cross-attention takes it, usable wherever a phrase is: `{"dog": [embedding]}`.

    context: (S, D) float32, the sequence that the softmax runs over; positions: those of it that are the
    class, the others take the rest of the image.
    """

    name: str
    context: Tensor
    positions: tuple[int, ...]

    def __post_init__(self) -> None:
        shape = tuple(self.context.shape)
        if len(shape) != 2 or not self.context.isfinite().all():
            raise ValueError(f"the context of {self.name!r} must be finite numbers (S, D), not {shape}")
        if not self.positions or not all(0 <= place < shape[0] for place in self.positions):
            raise ValueError(
                f"the positions of {self.name!r} are {list(self.positions)}: name rows of its context, 0 to "
                f"{shape[0] - 1}"
            )

    def save(self, file: str | os.PathLike) -> Path:
        """Write the embedding in one piece."""
        notes = {"format": FORMAT, "name": self.name, "positions": " ".join(map(str, self.positions))}
        context = self.context.detach().float().cpu().contiguous()
        write_bytes(Path(file), save({"context": context}, notes))
        return Path(file)

    @classmethod
    def load(cls, file: str | os.PathLike) -> TokenEmbedding:
        """An embedding that `save` wrote."""
        try:
            with safe_open(str(file), "pt") as stored:
                notes = stored.metadata() or {}
                if notes.get("format") != FORMAT:
                    raise ValueError(f"{file} is not a token embedding: save one with TokenEmbedding.save")
                positions = tuple(map(int, notes["positions"].split()))
                return cls(notes["name"], stored.get_tensor("context"), positions)
        except SafetensorError as reason:
            raise ValueError(f"{file} is not a safetensors file: {reason}") from reason
