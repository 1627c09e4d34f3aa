"""From words to tokens: where in a tokenized prompt a phrase stands, exactly."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from diffusers_attnmask.words.classes import ClassSpec

STOP_WORDS = frozenset(  # of English: they say nothing of what a picture shows
    """
    a an and are as at be behind below beside between by for from he her his in into is it its near next of on
    or over she some that the their there these they this those to under was were which who with
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True)
class SplitPrompt:
    """A prompt as the tokenizer split it.

    spans: where in `text` each token came from, empty for special tokens; limit: how many tokens the model
    reads, the special ones included; expand: what textual inversion makes of a text before it is split.
    offset: where the first token stands in the model's text, which other encoders may come before; negative
    where the beginning of a template is dropped. within: where in `text` the prompt stands, which a template
    may be around. end_tokens: special tokens that take the last places of what the model reads.
    """

    text: str
    tokens: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    limit: int
    expand: Callable[[str], str] = field(default=str, compare=False, repr=False)
    offset: int = 0
    within: tuple[int, int] | None = None
    end_tokens: int = 1

    @property
    def prompt(self) -> str:
        """The text without its template."""
        return self.text[slice(*self.bounds)]

    @property
    def bounds(self) -> tuple[int, int]:
        return self.within or (0, len(self.text))

    @property
    def readable(self) -> int:
        """How many tokens may be words before the model reads no more of them."""
        return self.limit - self.end_tokens

    @property
    def word_positions(self) -> list[int]:
        """Positions of the prompt's tokens that are not special."""
        first, last = self.bounds
        return [
            position
            for position, (start, end) in enumerate(self.spans)
            if start < end and first <= start < last
        ]

    def __str__(self) -> str:
        """Words apart, the tokens of one word joined: `a photo of a din+ing table`."""
        shown, last_end = "", None
        for position in self.word_positions:
            start, end = self.spans[position]
            shown += ("" if last_end is None else "+" if start == last_end else " ") + self.tokens[position]
            last_end = end
        return shown


def split_prompt(
    tokenizer: Any,
    prompt: str,
    expand: Callable[[str], str] = str,
    limit: int | None = None,
    offset: int = 0,
    template: str | None = None,
) -> SplitPrompt:
    """Split a prompt, untruncated, special tokens included. limit: by default the tokenizer's own.

    template: what the pipeline puts around the prompt, in place of "{}" in it, special tokens included.
    """
    if not tokenizer.is_fast:
        raise TypeError(
            f"{type(tokenizer).__name__} does not tell where its tokens come from: install transformers >= 5 "
            "or load the fast tokenizer"
        )
    text = unicodedata.normalize("NFC", expand(prompt))
    within = None
    if template is not None:
        before, _, after = template.partition("{}")
        within = (len(before), len(before) + len(text))
        text = before + text + after
    split = tokenizer(
        text,
        return_offsets_mapping=True,
        truncation=False,
        verbose=False,
        add_special_tokens=template is None,
    )
    marks = tokenizer.convert_ids_to_tokens(split["input_ids"])
    tokens = tuple(
        token.removesuffix("</w>").lstrip("▁Ġ") for token in marks
    )  # how they mark words' ends, starts
    spans = tuple(without_space(text, *span) for span in split["offset_mapping"])
    end_tokens = int(template is None)
    return SplitPrompt(
        text, tokens, spans, limit or tokenizer.model_max_length, expand, offset, within, end_tokens
    )


def without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the space before its word, which byte-level tokenizers make part of the token."""
    return start + len(text[start:end]) - len(text[start:end].lstrip()), end


def expansion(pipe: Any, tokenizer: Any) -> Callable[[str], str]:
    """What the pipeline's textual inversion makes of a text: one word may stand for several vectors."""
    convert = getattr(pipe, "maybe_convert_prompt", None)
    return (lambda text: convert(text, tokenizer)) if convert else str


def phrase_tokens(phrase: str, prompt: SplitPrompt) -> list[list[int]]:
    """Token positions of each occurrence of the phrase as whole words, in any case and spacing."""
    words = unicodedata.normalize("NFC", prompt.expand(phrase)).split()
    pattern = r"(?<!\w)" + r"\s+".join(map(re.escape, words)) + r"(?!\w)"
    return [
        [i for i, (start, end) in enumerate(prompt.spans) if start < found.end() and end > found.start()]
        for found in re.compile(pattern, re.IGNORECASE).finditer(prompt.text, *prompt.bounds)
    ]


def class_tokens(spec: ClassSpec, prompts: Sequence[SplitPrompt]) -> tuple[int, ...]:
    """Positions of all tokens of all phrases of a class, in any of the prompts (one per text encoder)."""
    found: set[int] = set()
    lost = False
    for prompt in prompts:
        for phrase in spec.texts:
            for tokens in phrase_tokens(phrase, prompt):
                if tokens and tokens[-1] < prompt.readable:
                    found.update(prompt.offset + token for token in tokens)
                else:
                    lost = True
    if not found:
        raise ValueError(_truncated(spec, prompts[0]) if lost else _absent(spec, prompts))
    return tuple(sorted(found))


def align(specs: Sequence[ClassSpec], prompts: Sequence[SplitPrompt]) -> tuple[tuple[int, ...], ...]:
    """Token positions of every class."""
    return tuple(class_tokens(spec, prompts) for spec in specs)


def content_tokens(prompts: Sequence[SplitPrompt]) -> tuple[int, ...]:
    """Positions of the tokens that mean something, in any of the prompts (one per text encoder).

    Left out are special tokens, a template's, punctuation, and the words of `STOP_WORDS`.
    """
    return tuple(
        sorted(
            prompt.offset + position
            for prompt in prompts
            for position in prompt.word_positions
            if position < prompt.readable and _has_content(prompt, *prompt.spans[position])
        )
    )


def _has_content(prompt: SplitPrompt, start: int, end: int) -> bool:
    if not re.search(r"\w", prompt.text[start:end]):
        return False
    before = re.search(r"\w*$", prompt.text[:start])
    after = re.match(r"\w*", prompt.text[end:])
    assert before is not None and after is not None
    return f"{before[0]}{prompt.text[start:end]}{after[0]}".casefold() not in STOP_WORDS


def check_whole(prompt: SplitPrompt) -> None:
    """Raise where the model would not read the whole prompt."""
    if any(position >= prompt.readable for position in prompt.word_positions[-1:]):
        raise ValueError(
            f"the classes appended to the prompt would be cut off: the model reads {prompt.limit} of its "
            f"{len(prompt.tokens)} tokens, split as [{prompt}]. Shorten it, or set append_classes=False"
        )


def _absent(spec: ClassSpec, prompts: Sequence[SplitPrompt]) -> str:
    tried = " or ".join(repr(text) for text in spec.texts) or "a learned embedding"
    seen = " and ".join(f"{prompt.prompt!r}, split as [{prompt}]" for prompt in dict.fromkeys(prompts))
    return (
        f"class {spec.name!r}: {tried} does not stand in the prompt {seen}. Use words of the prompt, "
        f"name other phrases ({{{spec.name!r}: [...]}}), or use mask_method='ovam', which reads any words"
    )


def _truncated(spec: ClassSpec, prompt: SplitPrompt) -> str:
    return (
        f"class {spec.name!r} is lost to truncation: the model reads {prompt.limit} of the "
        f"{len(prompt.tokens)} tokens of the prompt {prompt.prompt!r}, split as [{prompt}]. Shorten the "
        "prompt or move the word forward"
    )
