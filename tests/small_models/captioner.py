"""A random BLIP, saved as its repositories are, that says one word of every picture."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
    PreTrainedTokenizerFast,
)

from tests.small_models.seeds import seeded

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[DEC]")
WIDTH = 32


def words_of(*words: str) -> PreTrainedTokenizerFast:
    """A token for each word; texts begin with the mark of BLIP's decoder."""
    inner = Tokenizer(
        models.WordLevel({word: place for place, word in enumerate((*MARKS, *words))}, unk_token="[UNK]")
    )
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        bos_token="[DEC]",
        model_input_names=["input_ids", "attention_mask"],
    )


def save_captioner(folder: Path, word: str = "star") -> None:
    """A captioner whose captions hold the word, and nothing but it."""
    tokenizer = words_of(*dict.fromkeys((word, "moon", "fish")))
    layers = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "projection_dim": WIDTH}
    text = {
        **layers,
        **heads,
        "vocab_size": len(tokenizer),
        "encoder_hidden_size": WIDTH,
        "bos_token_id": 4,
        "pad_token_id": 0,
        "sep_token_id": 3,
        "eos_token_id": 3,
        "max_position_embeddings": 64,
    }
    vision = {**layers, **heads, "image_size": 32, "patch_size": 16}
    with seeded("captioner"):
        model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config=vision)).eval()
    model.text_decoder.cls.predictions.bias.data[tokenizer.convert_tokens_to_ids(word)] = 100
    model.save_pretrained(folder)
    pictures = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(pictures, tokenizer).save_pretrained(folder)
