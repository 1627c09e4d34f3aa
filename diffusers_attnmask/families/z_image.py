"""Z-Image and Turbo: image, then text (Qwen3's tokens, template included), each padded to multiples of 32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from diffusers.models.transformers import transformer_z_image
from torch import Tensor

from diffusers_attnmask.attention.look import Layout, Look
from diffusers_attnmask.attention.recorder import Pass
from diffusers_attnmask.attention.sites import Site, grid_at
from diffusers_attnmask.families.base import Call
from diffusers_attnmask.families.joint import JointFamily, attend_beside, projections
from diffusers_attnmask.words.alignment import SplitPrompt, split_prompt


class ZImage(JointFamily):
    """All blocks have one stream, with the same weights for image and text; words go through them, too.

    Guidance is by one batch, the prompts first, and may be cut off before the last step.
    """

    name: ClassVar[str] = "Z-Image"
    pipelines: ClassVar[frozenset[str]] = frozenset(
        {
            "ZImageControlNetInpaintPipeline",
            "ZImageControlNetPipeline",
            "ZImageImg2ImgPipeline",
            "ZImageInpaintPipeline",
            "ZImagePipeline",
        }
    )
    stacks: ClassVar[Mapping[str, str]] = {"layers": "single"}  # in the refiners before, text is apart
    attention: ClassVar[str] = "attention"
    carrying: ClassVar[frozenset[str]] = frozenset({"single"})

    def patch(self, pipe: Any) -> int:
        return pipe.transformer.config.all_patch_size[0]

    def native_side(self, pipe: Any) -> int:
        return 1024

    def images_per_prompt(self, pipe: Any, arguments: Mapping[str, Any]) -> int | None:
        return None

    def images_per_prompt_in(self, call: Call, inputs: Mapping[str, Any]) -> int:
        return self.prompted(call, inputs) // len(call.encoded[0])

    def prompted(self, call: Call, inputs: Mapping[str, Any]) -> int:
        """How many texts of a pass are the prompts', which come first, the very tensors that were encoded."""
        own = {id(text) for text in call.encoded[0]}
        return sum(id(text) in own for text in inputs["cap_feats"])

    def read_pass(self, pipe: Any, call: Call, inputs: Mapping[str, Any], context: str | None) -> Pass | None:
        if self.prompted(call, inputs) != call.images:
            raise ValueError(
                "the texts of a pass are not those that were encoded: Z-Image encodes nothing where "
                "prompt_embeds are given alone. Give prompt= beside them, the text that they stand for"
            )
        height, width = inputs["x"][0].shape[-2:]
        return Pass(slice(0, call.images), (height, width))

    def layout(self, site: Site, passing: Pass) -> Layout:
        grid = grid_at(passing.latent_size, site.stride)
        places = grid[0] * grid[1]
        return Layout(grid, 0, places + -places % transformer_z_image.SEQ_MULTI_OF)

    def context_width(self, pipe: Any) -> int:
        return pipe.transformer.config.cap_feat_dim

    def split(self, pipe: Any, text: str, arguments: Mapping[str, Any]) -> SplitPrompt:
        """Padding is cut off on either side before the model sees the text."""
        template = pipe.tokenizer.apply_chat_template(
            [{"role": "user", "content": "{}"}],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=True,
        )
        limit = arguments.get("max_sequence_length") or 512
        return split_prompt(pipe.tokenizer, text, limit=limit, template=template)

    def encode(
        self, pipe: Any, encode_prompt: Callable, arguments: Mapping[str, Any], texts: Sequence[str]
    ) -> list[Tensor]:
        embeds, _ = encode_prompt(
            list(texts), device=arguments.get("device"), do_classifier_free_guidance=False
        )
        return embeds

    def words_as_tokens(self, pipe: Any, contexts: Tensor, hidden: Tensor | None) -> Tensor:
        """Refined as text is, each word at the place of the first token."""
        transformer = pipe.transformer
        first = torch.tensor([[1, 0, 0]], dtype=torch.int32, device=contexts.device)
        turns = transformer.rope_embedder(first)[None]
        words = transformer.cap_embedder(contexts)
        for block in transformer.context_refiner:
            words = block(words, hidden, turns)
        return words

    def conditions(self, pipe: Any, prompts: Sequence[str], size: tuple[int, int]) -> dict[str, Any]:
        embeds, _ = pipe.encode_prompt(
            list(prompts), device=pipe._execution_device, do_classifier_free_guidance=False
        )
        return {"cap_feats": embeds}

    def denoise(self, pipe: Any, noisy: Tensor, sigma: float, conditions: dict) -> None:
        """Time runs from noise at 0 to the image at 1 here."""
        pipe.transformer(
            x=list(noisy[:, :, None].unbind()),
            t=torch.full((len(noisy),), 1 - sigma, device=noisy.device),
            return_dict=False,
            **conditions,
        )

    def carry(
        self, site: Site, words: Tensor, look: Look, inputs: Mapping[str, Any], hidden: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        block: Any = site.block
        modulation = block.adaLN_modulation(inputs["adaln_input"][look.rows])
        scale, gate, scale_mlp, gate_mlp = modulation[:, None].chunk(4, dim=2)
        turns = inputs["freqs_cis"][look.rows, look.layout.text, None, None]  # of the first token of the text
        states = block.attention_norm1(words) * (1 + scale)
        output = attend_beside(*projections(block.attention, states, turns=turns), look, hidden)
        states = block.attention.to_out[0](output.transpose(1, 2).flatten(2))
        words = words + gate.tanh() * block.attention_norm2(states)
        states = block.feed_forward(block.ffn_norm1(words) * (1 + scale_mlp))
        return output, words + gate_mlp.tanh() * block.ffn_norm2(states)
