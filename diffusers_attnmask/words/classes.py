"""What a user asks masks for: classes, each a name and the phrases that stand for it in a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from diffusers_attnmask.ground.ids import BACKGROUND

if TYPE_CHECKING:
    from diffusers_attnmask.words.token_embedding import TokenEmbedding

MAX_CLASSES = 254  # ids 1 … 254 of a uint8 mask; 0 is background, 255 uncertain

Phrase = Union[str, "TokenEmbedding"]
ClassLike = Union[str, "TokenEmbedding", tuple[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class ClassSpec:
    """A class: its name, and its phrases. The first phrase is the one used where a single word is needed."""

    name: str
    phrases: tuple[Phrase, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(phrase for phrase in self.phrases if isinstance(phrase, str))

    @property
    def embeddings(self) -> tuple[TokenEmbedding, ...]:
        return tuple(phrase for phrase in self.phrases if not isinstance(phrase, str))


def class_specs(classes: Sequence[ClassLike] | Mapping[str, Any]) -> tuple[ClassSpec, ...]:
    """Classes in the order of their ids: `["dog", {"aeroplane": ["airplane", "jet"]}, ("cat", "kitten")]`."""
    if isinstance(classes, str) or not isinstance(classes, Sequence | Mapping):
        raise TypeError(f"classes must be a list such as ['dog', 'cat'], not {classes!r}")
    entries = list(classes.items()) if isinstance(classes, Mapping) else classes
    specs = tuple(spec for entry in entries for spec in _specs_of(entry))
    _check(specs)
    return specs


def classes_per_prompt(classes: Any, prompts: int) -> tuple[tuple[ClassSpec, ...], ...]:
    """One tuple of classes per prompt, from one list for all prompts or a list of lists."""
    if not has_own_lists(classes):
        return (class_specs(classes),) * prompts
    if len(classes) != prompts:
        raise ValueError(
            f"classes holds {len(classes)} lists, but there are {prompts} prompts: give one each"
        )
    return tuple(class_specs(own) for own in classes)


def has_own_lists(classes: Any) -> bool:
    """Whether the classes are a list of lists, one per prompt."""
    return bool(isinstance(classes, list) and classes and all(isinstance(own, list) for own in classes))


def with_background(specs: Sequence[ClassSpec]) -> list[str]:
    return [BACKGROUND, *(spec.name for spec in specs)]


def class_prompt(specs: Sequence[ClassSpec]) -> str:
    """The class words alone: `person car`."""
    return " ".join(spec.texts[0] for spec in specs if spec.texts)


def _specs_of(entry: ClassLike) -> list[ClassSpec]:
    if isinstance(entry, ClassSpec):
        return [entry]
    if isinstance(entry, str):
        return [ClassSpec(entry.strip(), (entry.strip(),))]
    if isinstance(entry, Mapping):
        return [_named(name, phrases) for name, phrases in entry.items()]
    if isinstance(entry, tuple) and len(entry) == 2:
        return [_named(*entry)]
    if _is_embedding(entry):
        return [ClassSpec(entry.name, (entry,))]
    raise TypeError(f"a class is a phrase or a pair of a name and its phrases, not {entry!r}")


def _named(name: str, phrases: Any) -> ClassSpec:
    phrases = [phrases] if isinstance(phrases, str) or _is_embedding(phrases) else phrases
    if not isinstance(name, str) or not isinstance(phrases, Sequence):
        raise TypeError(f"the phrases of class {name!r} must be a phrase or a list of them, not {phrases!r}")
    for phrase in phrases:
        if not (isinstance(phrase, str) or _is_embedding(phrase)):
            raise TypeError(f"class {name!r}: {phrase!r} is neither a phrase nor a TokenEmbedding")
    return ClassSpec(name.strip(), tuple(p.strip() if isinstance(p, str) else p for p in phrases))


def _is_embedding(entry: Any) -> bool:
    return hasattr(entry, "context")


def _check(specs: tuple[ClassSpec, ...]) -> None:
    if not specs:
        raise ValueError("classes is empty: name at least one class, or leave it out for plain images")
    if len(specs) > MAX_CLASSES:
        raise ValueError(f"{len(specs)} classes do not fit a uint8 mask: name at most {MAX_CLASSES}")
    seen: dict[str, str] = {}
    for spec in specs:
        if not spec.name or not spec.phrases or "" in spec.texts:
            raise ValueError(f"class {spec.name!r} is empty: give it a name and at least one phrase")
        if spec.name.casefold() == BACKGROUND:
            raise ValueError("'background' is the id 0 of every mask: leave it out of classes")
        for text in {spec.name.casefold(), *(text.casefold() for text in spec.texts)}:
            if text in seen:
                raise ValueError(f"{text!r} is given twice: by class {seen[text]!r} and class {spec.name!r}")
            seen[text] = spec.name
