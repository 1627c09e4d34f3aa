"""Kandinsky 5 reads its text through blocks with the time, and cuts prompts in its own way."""

import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, trace
from tests.diffusers_attnmask.families.test_transformers import run
from tests.small_models.kandinsky5 import kandinsky5

LONG = "a photo of the red cat next to a blue dog on the grass in a street with a boat"


@pytest.mark.parametrize("method", ["ovam", "concept-attention"])
def test_words_beside_the_prompt_are_refused_with_what_reads_its_own(method):
    pipe = DiffuMaskPipeline.from_pipe(kandinsky5())
    with pytest.raises(ValueError, match="use mask_method='daam', which reads the prompt's words"):
        run(pipe, classes=["dog"], mask_method=method)


@pytest.mark.parametrize("side", ["left", "right"])
def test_words_are_found_on_whichever_side_a_text_is_padded(side):
    """The template's 40 tokens are dropped from what is padded: on the left, some of the template stays."""
    pipe = kandinsky5()
    tokenizer = pipe.tokenizer.tokenizer
    prompts = ["a dog", LONG]
    before, tokenizer.padding_side = tokenizer.padding_side, side
    try:
        ids = pipe.tokenizer(text=list(map(pipe.prompt_template.format, prompts)), padding=True)["input_ids"]
        with trace(pipe, classes=["dog"], methods="daam") as traced:
            run(pipe, prompts, num_inference_steps=1, guidance_scale=1.0)
    finally:
        tokenizer.padding_side = before
    for row, query in zip(ids, traced.recorder.queries, strict=True):
        assert tokenizer.convert_ids_to_tokens([row[40 + place] for place in query.prompt]) == ["Ġdog"]


def test_embeddings_are_refused_since_the_pipeline_encodes_no_prompt_beside_them():
    pipe = kandinsky5()
    embeds, pooled, lengths = pipe.encode_prompt("a dog")
    given = {"prompt_embeds_qwen": embeds, "prompt_embeds_clip": pooled, "prompt_cu_seqlens": lengths}
    masked = DiffuMaskPipeline.from_pipe(pipe)
    with pytest.raises(ValueError, match="encoded no prompt before it sampled"):
        run(masked, None, mask_prompt="a dog", classes=["dog"], guidance_scale=1.0, **given)
    with pytest.raises(ValueError, match="Give the prompt alone"):
        run(masked, "a dog", classes=["dog"], negative_prompt="a dog", guidance_scale=3.0, **given)


def test_a_prompt_that_is_too_long_is_refused_where_it_would_cut_others():
    pipe = DiffuMaskPipeline.from_pipe(kandinsky5())
    options = {"classes": ["red cat"], "max_sequence_length": 8, "guidance_scale": 1.0}
    with pytest.raises(ValueError, match="cuts the ends of all others"):
        run(pipe, ["a red cat", LONG], **options)
    assert run(pipe, LONG, num_inference_steps=1, **options).heatmaps[0].std() > 1e-4


def test_a_look_at_a_picture_is_a_pass_of_the_pipeline_itself():
    """Encoding undoes what decoding does: latents come back by the scale alone."""
    pipe = DiffuMaskPipeline.from_pipe(kandinsky5())
    latents = []
    hook = pipe.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: latents.append(kwargs["hidden_states"]), with_kwargs=True
    )
    pixels = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with hook:
        pipe.segment(pixels, ["a dog"], ["dog"], strength=0.0, processing_res=0)
    expected = pipe.vae.encode(pixels * 2 - 1).latent_dist.mode() * pipe.vae.config.scaling_factor
    assert torch.allclose(latents[0][:, 0].movedim(-1, 1), expected, atol=1e-5)
