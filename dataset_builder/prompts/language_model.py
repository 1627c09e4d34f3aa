"""A causal language model of transformers that answers requests, a batch at once and by a seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from dataset_builder.prompts.matching import clean
from dataset_builder.prompts.writer_options import WriterOptions
from diffusers_attnmask.ground.hub_errors import within_reach
from diffusers_attnmask.ground.model_files import TENSORS_ALONE, readable_model

TOKENS_OF_A_WORD = 3  # at most, on average: longer answers are cut off
MARKS = re.compile(r"""^((\d+[.)]|[-*•#>_"'“‘]+)\s*)+|[\s*_"'”’]+$""")  # of lists, quotes and emphasis


class LanguageModel:
    """Any model of `AutoModelForCausalLM`; one with a chat template is asked in its own form."""

    def __init__(self, options: WriterOptions) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from diffusers_attnmask.ground.device import best_device

        self.options = options
        name, hub = options.model, {"revision": options.revision} if options.revision else {}
        with within_reach(name, "model"), readable_model(name):
            self.tokenizer: Any = AutoTokenizer.from_pretrained(name, padding_side="left", **hub)
            self.model: Any = AutoModelForCausalLM.from_pretrained(name, **TENSORS_ALONE, **hub).eval()
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model.to(best_device())

    def answers(self, requests: Sequence[str], seed: int) -> list[str]:
        """A sentence for each request. The same requests and seed give the same sentences."""
        import torch

        device, texts = self.model.device, list(map(self.conversation, requests))
        inputs = self.tokenizer(
            texts, return_tensors="pt", padding=True, add_special_tokens=not self.tokenizer.chat_template
        ).to(device)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode(), torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            written = self.model.generate(
                **inputs,
                do_sample=True,
                temperature=self.options.temperature,
                top_p=self.options.top_p,
                top_k=0,
                max_new_tokens=TOKENS_OF_A_WORD * self.options.max_words,
                pad_token_id=self.tokenizer.pad_token_id,
            )[:, inputs["input_ids"].shape[1] :]
        return list(map(sentence, self.tokenizer.batch_decode(written, skip_special_tokens=True)))

    def conversation(self, request: str) -> str:
        """The request up to where the answer begins; without thoughts, where the model has them."""
        if not self.tokenizer.chat_template:
            return f"{request}\nSentence: "
        return self.tokenizer.apply_chat_template(
            [{"role": "user", "content": request}],
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,
        )


def sentence(answer: str) -> str:
    """The first line of an answer that says something, without the marks around it.

    >>> sentence('\\n1. "A cat sleeps on a sofa."\\nI hope this helps!')
    'A cat sleeps on a sofa.'
    """
    line = next((own for own in answer.splitlines() if re.search(r"\w", own)), "")
    return clean(MARKS.sub("", clean(line)))
