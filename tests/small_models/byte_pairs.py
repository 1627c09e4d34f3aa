"""Tokenizers of language models: byte-level pairs, the space before a word part of its token."""

import functools

from tokenizers.pre_tokenizers import ByteLevel
from transformers import Qwen2Tokenizer

from tests.small_models.text import WORDS, merges_of

QWEN_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_CHAT = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)


def byte_pairs(split, *texts):
    """Vocabulary and merges that make one token of each of the words, alone and behind a space.

    split: a text to the pieces that no pair reaches across. texts: further ones whose pieces are one token
    each, as the words of a model's own templates are.
    """
    pieces = [piece for text in (*texts, f" {WORDS}", "\n".join(WORDS.split())) for piece in split(text)]
    merges = merges_of([list(piece) for piece in dict.fromkeys(pieces)])
    tokens = dict.fromkeys([*sorted(ByteLevel.alphabet()), *("".join(pair) for pair in merges)])
    return {token: index for index, token in enumerate(tokens)}, merges


@functools.cache
def qwen_tokenizer(*templates):
    """Qwen's; the words of the templates are one token each."""

    def split(text):
        return [piece for piece, _ in Qwen2Tokenizer().backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)]

    vocabulary, merges = byte_pairs(split, *templates)
    vocabulary |= {mark: len(vocabulary) + index for index, mark in enumerate(QWEN_MARKS)}
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, extra_special_tokens=list(QWEN_MARKS[1:]), model_max_length=2048
    )
    tokenizer.chat_template = QWEN_CHAT
    return tokenizer
