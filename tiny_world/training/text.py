"""The text side of the model: CLIP's byte-level BPE learnt from captions, and a small CLIP text encoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

LENGTH = 32  # tokens of a prompt, with the two that mark its ends
WIDTH = 128
WORDS = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")


def learn_tokenizer(captions: list[str]) -> CLIPTokenizer:
    """Every word of the captions becomes one token; any other text splits into smaller pieces."""
    bpe = Tokenizer(BPE(end_of_word_suffix="</w>"))
    bpe.normalizer = normalizers.Lowercase()
    split = pre_tokenizers.Split(WORDS, behavior="removed", invert=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.train_from_iterator(
        captions, BpeTrainer(vocab_size=4000, end_of_word_suffix="</w>", show_progress=False)
    )
    merges: Any = [tuple(pair) for pair in json.loads(bpe.to_str())["model"]["merges"]]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = letters + [f"{letter}</w>" for letter in letters] + ["".join(pair) for pair in merges]
    tokens = [*dict.fromkeys(pieces), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def load_tokenizer(pipeline: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(pipeline / "tokenizer")


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    for name, weight in encoder.named_parameters():
        if "embedding" in name:  # CLIP's own spread of 0.02 makes all words alike at first
            torch.nn.init.normal_(weight, std=0.1 if "position" in name else 0.3)  # words before places
    return encoder


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token ids (len(captions), the tokenizer's own length), padded as the pipelines pad."""
    return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids
