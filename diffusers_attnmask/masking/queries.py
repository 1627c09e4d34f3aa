"""Which tokens to record for an image: those of its prompt, and those of words encoded beside it."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Sequence

from torch import Tensor

from diffusers_attnmask.attention.concepts import Concepts
from diffusers_attnmask.attention.token_query import TokenQuery, Words
from diffusers_attnmask.methods import MaskMethod
from diffusers_attnmask.words.alignment import SplitPrompt, align, content_tokens
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
    reads_words = any(method.reads_words for method in methods)
    wanted = [text for text in map(class_prompt, specs) if text and reads_words]
    concepts = [concept_words(own, methods) for own in specs]
    texts = list(dict.fromkeys([*wanted, *itertools.chain(*concepts)]))
    contexts = dict(zip(texts, encode(texts), strict=True)) if texts else {}
    queries = []
    for index, (own, prompt, beside) in enumerate(zip(specs, prompts, concepts, strict=True)):
        positions = tuple(sorted({position for tokens in prompt for position in tokens}))
        columns = tuple(tuple(positions.index(position) for position in tokens) for tokens in prompt)
        words, words_columns = encoded_words(own, contexts, split) if reads_words else ((), ())
        carried = (
            Concepts(tuple(word_tokens(text, contexts[text], split) for text in beside)) if beside else None
        )
        content = content_tokens(splits[index]) if splits is not None else ()
        everything = tuple(sorted({*content, *positions}))
        queries.append(TokenQuery(positions, columns, words, words_columns, everything, carried))
    return queries


def concept_words(specs: Sequence[ClassSpec], methods: Sequence[MaskMethod]) -> list[str]:
    """The words of the classes, then the decoys that are none of them; nothing where no method asks for
    them.
    """
    asking = [method for method in methods if method.reads_concepts]
    if not asking:
        return []
    for spec in specs:
        if not spec.texts:
            raise ValueError(f"class {spec.name!r} is a learned embedding: {asking[0].name} takes words")
    own = [spec.texts[0] for spec in specs]
    decoys = dict.fromkeys(itertools.chain(*(method.concept_decoys for method in asking)))
    return [*own, *(word for word in decoys if word not in own)]


def word_tokens(text: str, context: Tensor, split: Split) -> Tensor:
    """The encoded tokens (T, D) of a text's words alone, from every text encoder that reads them."""
    places = {
        own.offset + place for own in split(text) for place in own.word_positions if place < own.readable
    }
    if not places:
        raise ValueError(f"no token of {text!r} is read: raise max_sequence_length")
    return context[sorted(places)]


def encoded_words(
    specs: Sequence[ClassSpec], contexts: dict[str, Tensor], split: Split
) -> tuple[tuple[Words, ...], tuple[tuple[tuple[int, int], ...], ...]]:
    """The class words in one sequence (`person car`), learned embeddings each in one of its own; and where
    each class stands in them."""
    words: list[Words] = []
    columns: list[list[tuple[int, int]]] = [[] for _ in specs]
    if text := class_prompt(specs):
        positions = consecutive_tokens(specs, text, split)
        flat = tuple(position for own in positions for position in own)
        ended = max(flat, default=-1) + 1 + split(text)[0].end_tokens
        words.append(Words(contexts[text], flat, min(ended, len(contexts[text]))))
        read = 0
        for own, tokens in zip(columns, positions, strict=True):
            own += [(0, read + index) for index in range(len(tokens))]
            read += len(tokens)
    for own, spec in zip(columns, specs, strict=True):
        for embedding in spec.embeddings:
            own += [(len(words), index) for index in range(len(embedding.positions))]
            words.append(Words(embedding.context, embedding.positions, len(embedding.context)))
    return tuple(words), tuple(map(tuple, columns))


def consecutive_tokens(specs: Sequence[ClassSpec], text: str, split: Split) -> list[tuple[int, ...]]:
    """Token positions of each class word in the class prompt, where the words follow one another."""
    whole = split(text)[0]
    places, start = [], whole.bounds[0]
    for spec in specs:
        end = start + len(unicodedata.normalize("NFC", whole.expand(spec.texts[0]))) if spec.texts else start
        own = (at for at in whole.word_positions if whole.spans[at][0] < end and whole.spans[at][1] > start)
        places.append(tuple(own))
        start = end + 1 if spec.texts else start
    if any(position >= whole.readable for own in places for position in own):
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
