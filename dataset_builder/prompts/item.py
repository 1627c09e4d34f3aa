"""What the sampler is given for one picture."""

from __future__ import annotations

from dataclasses import dataclass

NamedPhrases = tuple[str, tuple[str, ...]]  # a class and the phrases of the prompt that stand for it
DrawnPrompt = tuple[str, tuple[NamedPhrases, ...]]  # a text and its classes


@dataclass(frozen=True)
class PromptItem:
    """A prompt and its classes; `list(classes)` is what `DiffuMaskPipeline` takes as `classes`."""

    text: str
    classes: tuple[NamedPhrases, ...]
    negative: str = ""

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.classes)
