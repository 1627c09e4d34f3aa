"""Tokenizers of language models: byte-level pairs, the space before a word part of its token."""

import functools

from tokenizers import Tokenizer, processors
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast, Qwen2Tokenizer

from tests.small_models.text import WORDS, merges_of

QWEN_MARKS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN_SIGHT_MARKS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_CHAT = (
    "{% for message in messages %}"
    "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)


MISTRAL_MARKS = (
    "<unk>",
    "<s>",
    "</s>",
    "<pad>",
    "[INST]",
    "[/INST]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[IMG]",
    "[IMG_BREAK]",
    "[IMG_END]",
)
MISTRAL_CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message.role == 'system' %}[SYSTEM_PROMPT]{{ message.content[0].text }}[/SYSTEM_PROMPT]"
    "{% else %}[INST]{{ message.content[0].text }}[/INST]{% endif %}"
    "{% endfor %}"
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


def qwen_pieces(text):
    return [piece for piece, _ in Qwen2Tokenizer().backend_tokenizer.pre_tokenizer.pre_tokenize_str(text)]


@functools.cache
def qwen_tokenizer(*templates, marks=QWEN_MARKS):
    """Qwen's; the words of the templates are one token each."""
    vocabulary, merges = byte_pairs(qwen_pieces, *templates)
    vocabulary |= {mark: len(vocabulary) + index for index, mark in enumerate(marks)}
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=merges, extra_special_tokens=list(marks[1:]), model_max_length=2048
    )
    tokenizer.chat_template = QWEN_CHAT
    return tokenizer


@functools.cache
def mistral_tokenizer(*templates):
    """Mistral's Tekken, whose pieces are much like Qwen's; it pads on the left."""
    vocabulary, merges = byte_pairs(qwen_pieces, *templates)
    marks = {mark: index for index, mark in enumerate(MISTRAL_MARKS)}
    vocabulary = marks | {token: len(marks) + index for token, index in vocabulary.items()}
    inner = Tokenizer(BPE(vocab=vocabulary, merges=merges))
    inner.pre_tokenizer = Qwen2Tokenizer().backend_tokenizer.pre_tokenizer
    inner.decoder = ByteLevelDecoder()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens=list(MISTRAL_MARKS[4:]),
        padding_side="left",
        model_max_length=2048,
    )


@functools.cache
def marked_tokenizer(marks, before, padding_side):
    """Byte-level pairs of plain words behind special tokens, as GLM and Llama have them; it pads by the first
    of its marks. before: those that begin a text.
    """
    split = ByteLevel(add_prefix_space=False)
    vocabulary, merges = byte_pairs(lambda text: [piece for piece, _ in split.pre_tokenize_str(text)])
    vocabulary |= {mark: len(vocabulary) + index for index, mark in enumerate(marks)}
    own = Tokenizer(BPE(vocabulary, merges))
    own.pre_tokenizer = split
    own.add_special_tokens(list(marks))
    own.post_processor = processors.TemplateProcessing(
        single=" ".join([*before, "$A"]), special_tokens=[(mark, vocabulary[mark]) for mark in before]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=own,
        pad_token=marks[0],
        eos_token=marks[0],
        padding_side=padding_side,
        model_max_length=2048,
    )


def glm_tokenizer():
    marks = ("<|endoftext|>", "[gMASK]", "<sop>")
    return marked_tokenizer(marks, marks[1:], "left")


def llama_tokenizer():
    marks = ("<|eot_id|>", "<|begin_of_text|>")
    return marked_tokenizer(marks, marks[1:], "right")
