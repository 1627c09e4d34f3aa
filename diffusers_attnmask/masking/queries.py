"""Which tokens to record for an image: those of its prompt, and those of words encoded beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from diffusers_attnmask.attention.recorder import TokenQuery, Words
from diffusers_attnmask.families import Family
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.methods.dataset_diffusion import class_prompt
from diffusers_attnmask.words.alignment import SplitPrompt, align, split_prompt
from diffusers_attnmask.words.classes import ClassSpec


def prompt_splits(family: Family, pipe: Any, arguments: Mapping[str, Any]) -> list[list[SplitPrompt]] | None:
    """Per prompt, how each text encoder's tokenizer splits it; None where the call has no prompt."""
    texts = family.texts(pipe, arguments)
    if texts is None:
        return None
    per_encoder = [
        [split_prompt(tokenizer, prompt, expansion(pipe, tokenizer)) for prompt in prompts]
        for tokenizer, prompts in texts
    ]
    return [list(splits) for splits in zip(*per_encoder, strict=True)]


def expansion(pipe: Any, tokenizer: Any) -> Callable[[str], str]:
    """What the pipeline's textual inversion makes of a text: one word may stand for several vectors."""
    convert = getattr(pipe, "maybe_convert_prompt", None)
    return (lambda text: convert(text, tokenizer)) if convert else str


def token_query(
    specs: Sequence[ClassSpec],
    splits: Sequence[SplitPrompt] | None,
    methods: Sequence[MaskMethod],
    encode: Callable[[str], Any],
    split: Callable[[str], Sequence[SplitPrompt]],
) -> TokenQuery:
    """The tokens that some methods need for one image.

    splits: its prompt; encode: a text to a context (S, D); split: a text to its tokens per text encoder.
    """
    prompt: tuple[tuple[int, ...], ...] = ()
    if any(method.reads_prompt for method in methods):
        if splits is None:
            raise ValueError(
                "the call has prompt_embeds and no prompt: say which text they encode (mask_prompt= of the "
                "pipeline, prompt= of trace), or use mask_method='ovam'"
            )
        prompt = align(specs, splits)
    words, words_columns = (), ()
    if any(method.reads_words for method in methods):
        words, words_columns = encoded_words(specs, encode, split)
    positions = tuple(sorted({position for own in prompt for position in own}))
    columns = tuple(tuple(positions.index(position) for position in own) for own in prompt)
    return TokenQuery(positions, columns, words, words_columns)


def encoded_words(
    specs: Sequence[ClassSpec], encode: Callable[[str], Any], split: Callable[[str], Sequence[SplitPrompt]]
) -> tuple[tuple[Words, ...], tuple[tuple[int, ...], ...]]:
    """The class words in one sequence (`person car`), learned embeddings each in one of its own; and the
    recorded columns of each class."""
    words: list[Words] = []
    columns: list[list[int]] = [[] for _ in specs]
    recorded = 0
    if text := class_prompt(specs):
        positions = consecutive_tokens(specs, text, split)
        words.append(Words(encode(text), tuple(position for own in positions for position in own)))
        for own, tokens in zip(columns, positions, strict=True):
            own += range(recorded, recorded + len(tokens))
            recorded += len(tokens)
    for own, spec in zip(columns, specs, strict=True):
        for embedding in spec.embeddings:
            words.append(Words(embedding.context, embedding.positions))
            own += range(recorded, recorded + len(embedding.positions))
            recorded += len(embedding.positions)
    return tuple(words), tuple(map(tuple, columns))


def consecutive_tokens(
    specs: Sequence[ClassSpec], text: str, split: Callable[[str], Sequence[SplitPrompt]]
) -> list[tuple[int, ...]]:
    """Token positions of each class word in the class prompt, where the words follow one another."""
    whole = split(text)[0]
    position = whole.word_positions[0]
    places = []
    for spec in specs:
        length = len(split(spec.texts[0])[0].word_positions) if spec.texts else 0
        places.append(tuple(range(position, position + length)))
        position += length
    if position > whole.limit - 1:
        raise ValueError(
            f"the class words {text!r} make {len(whole.tokens)} tokens, split as [{whole}], and the model "
            f"reads {whole.limit}: name fewer classes per image"
        )
    return places


def check_words(
    specs: Sequence[ClassSpec],
    splits: Sequence[SplitPrompt],
    method: MaskMethod,
    split: Callable[[str], Sequence[SplitPrompt]],
) -> None:
    """Raise where `token_query` would: the words are looked for, and nothing is encoded."""
    if method.reads_prompt:
        align(specs, splits)
    if method.reads_words and (text := class_prompt(specs)):
        consecutive_tokens(specs, text, split)
