"""Which tokens to record for an image: those of its prompt, and those of words encoded beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from diffusers_attnmask.attention.token_query import TokenQuery, Words
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.alignment import SplitPrompt, align
from diffusers_attnmask.words.classes import ClassSpec, class_prompt

Split = Callable[[str], Sequence[SplitPrompt]]  # a text to its tokens per text encoder
Encode = Callable[[Sequence[str]], Sequence[Tensor]]  # texts to contexts (S, D)


def token_queries(
    specs: Sequence[Sequence[ClassSpec]],
    splits: Sequence[Sequence[SplitPrompt]] | None,
    methods: Sequence[MaskMethod],
    encode: Encode,
    split: Split,
) -> list[TokenQuery]:
    """The tokens that some methods need, one query per prompt. splits: the prompts, where the call has
    any.
    """
    prompts: list[tuple[tuple[int, ...], ...]] = [()] * len(specs)
    if any(method.reads_prompt for method in methods):
        if splits is None:
            raise ValueError(
                "the call has prompt_embeds and no prompt: say which text they encode (mask_prompt= of the "
                "pipeline, prompt= of trace), or use mask_method='ovam'"
            )
        prompts = [align(own, prompt) for own, prompt in zip(specs, splits, strict=True)]
    contexts: dict[str, Tensor] = {}
    reads_words = any(method.reads_words for method in methods)
    if reads_words:
        texts = [text for text in dict.fromkeys(map(class_prompt, specs)) if text]
        contexts = dict(zip(texts, encode(texts), strict=True)) if texts else {}
    queries = []
    for own, prompt in zip(specs, prompts, strict=True):
        positions = tuple(sorted({position for tokens in prompt for position in tokens}))
        columns = tuple(tuple(positions.index(position) for position in tokens) for tokens in prompt)
        words, words_columns = encoded_words(own, contexts, split) if reads_words else ((), ())
        queries.append(TokenQuery(positions, columns, words, words_columns))
    return queries


def encoded_words(
    specs: Sequence[ClassSpec], contexts: dict[str, Tensor], split: Split
) -> tuple[tuple[Words, ...], tuple[tuple[tuple[int, int], ...], ...]]:
    """The class words in one sequence (`person car`), learned embeddings each in one of its own; and where
    each class stands in them."""
    words: list[Words] = []
    columns: list[list[tuple[int, int]]] = [[] for _ in specs]
    if text := class_prompt(specs):
        positions = consecutive_tokens(specs, text, split)
        words.append(Words(contexts[text], tuple(position for own in positions for position in own)))
        read = 0
        for own, tokens in zip(columns, positions, strict=True):
            own += [(0, read + index) for index in range(len(tokens))]
            read += len(tokens)
    for own, spec in zip(columns, specs, strict=True):
        for embedding in spec.embeddings:
            own += [(len(words), index) for index in range(len(embedding.positions))]
            words.append(Words(embedding.context, embedding.positions))
    return tuple(words), tuple(map(tuple, columns))


def consecutive_tokens(specs: Sequence[ClassSpec], text: str, split: Split) -> list[tuple[int, ...]]:
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
    split: Split,
) -> None:
    """Raise where `token_queries` would: the words are looked for, and nothing is encoded."""
    if method.reads_prompt:
        align(specs, splits)
    if method.reads_words and (text := class_prompt(specs)):
        consecutive_tokens(specs, text, split)
