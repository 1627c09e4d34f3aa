"""HiDream's text stands behind the image's places, which are filled up unless the image is square."""

import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline
from tests.diffusers_attnmask.families.test_transformers import check_text_columns, run
from tests.small_models.hidream import HIDREAM, hidream


def test_the_text_of_a_square_image_follows_it_at_once():
    check_text_columns(HIDREAM, hidream(), height=80, width=80)


def test_embeddings_are_read_with_the_text_that_they_stand_for():
    pipe = DiffuMaskPipeline.from_pipe(hidream())
    with torch.no_grad():
        t5, _, llama, _, pooled, _ = pipe.encode_prompt("a dog", max_sequence_length=24)
    given = {"prompt_embeds_t5": t5, "prompt_embeds_llama3": llama, "pooled_prompt_embeds": pooled}
    options = {"classes": ["dog"], "num_inference_steps": 1, "guidance_scale": 1.0}
    spoken = run(pipe, "a dog", max_sequence_length=24, **options)
    embedded = run(pipe, None, mask_prompt="a dog", **given, **options)
    assert torch.equal(embedded.images, spoken.images)
    assert torch.equal(embedded.heatmaps[0], spoken.heatmaps[0])


def test_a_picture_with_more_places_than_the_model_has_is_refused():
    pipe = DiffuMaskPipeline.from_pipe(hidream())
    with pytest.raises(ValueError, match=r"64 places .* takes 9×8: give a smaller processing_res"):
        pipe.segment(torch.rand(1, 3, 144, 128), ["a dog"], ["dog"], processing_res=0)


def test_classes_are_appended_to_the_prompts_of_all_encoders():
    pipe = DiffuMaskPipeline.from_pipe(hidream())
    options = {"max_sequence_length": 32, "num_inference_steps": 1}
    method = {"mask_method": "dataset-diffusion", "mask_options": {"self_pool": 1}}
    out = run(pipe, "a dog", prompt_4="a red dog", classes=["cat"], **method, **options)
    appended = run(pipe, "a dog; cat", prompt_4="a red dog; cat", **options)
    assert torch.equal(out.images, appended.images)
