"""What the sampler is given for one picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

NamedPhrases = tuple[str, tuple[str, ...]]  # a class and the phrases of the prompt that stand for it


class DrawnPrompt(NamedTuple):
    """A text, its classes, and the file of the picture that it goes with, where it has one."""

    text: str
    classes: tuple[NamedPhrases, ...]
    condition: str | None = None


@dataclass(frozen=True)
class PromptItem:
    """A prompt and its classes; `list(classes)` is what `DiffuMaskPipeline` takes as `classes`.

    condition: the file of the picture that a ControlNet or an adapter looks at.
    """

    text: str
    classes: tuple[NamedPhrases, ...]
    negative: str = ""
    condition: str | None = None

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.classes)
