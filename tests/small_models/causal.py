"""A small random causal language model (Llama), saved as a folder that transformers loads."""

from collections.abc import Sequence
from pathlib import Path

from transformers import LlamaConfig, LlamaForCausalLM

from tests.small_models.seeds import seeded
from tests.small_models.vision_language import WORDS, word_tokenizer


def save_causal(folder: Path, words: Sequence[str] = WORDS) -> None:
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
    )
    with seeded("causal"):
        LlamaForCausalLM(config).save_pretrained(folder)
    word_tokenizer(words).save_pretrained(folder)
