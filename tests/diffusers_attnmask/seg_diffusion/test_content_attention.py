"""Content attention begins as nothing, and then lets the image change the words."""

import torch

from diffusers_attnmask.seg_diffusion.content_attention import ContentAttention
from tests.diffusers_attnmask.seg_diffusion.small_pipelines import STARTS, asked
from tests.small_models import picture, seeded

TEXT, LATENTS = torch.randn(2, 7, 32), torch.randn(2, 4, 16, 24)


def attention():
    with seeded("content attention"):
        return ContentAttention(32)


def test_a_new_module_leaves_the_text_as_it_is():
    assert torch.equal(attention()(TEXT, LATENTS), TEXT)


def test_a_pipeline_with_a_new_module_is_the_plain_pipeline():
    from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline

    found = []
    for with_module in (False, True):
        pipe = SegDiffusionPipeline.from_text_to_image(STARTS["epsilon"](), content_attention=with_module)
        pipe.set_progress_bar_config(disable=True)
        assert (pipe.content_attention is not None) == with_module
        found.append(asked(pipe, picture()).probabilities[0])
    assert torch.equal(*found)


def test_a_trained_module_depends_on_the_image_and_on_each_word():
    module = attention()
    torch.nn.init.normal_(module.out.weight)
    refined = module(TEXT, LATENTS)
    assert refined.shape == TEXT.shape
    assert not torch.allclose(refined, module(TEXT, LATENTS.flip(0)), atol=1e-3)
    change = refined - TEXT
    assert not torch.allclose(change[:, 0], change[:, 1], atol=1e-3)


def test_its_first_gradient_reaches_the_output_that_is_zero():
    module = attention()
    module(TEXT, LATENTS).square().sum().backward()
    assert module.out.weight.grad.abs().sum() > 0


def test_it_is_saved_with_its_shape(tmp_path):
    module = ContentAttention(32, channels=16, heads=2, reduction=1)
    torch.nn.init.normal_(module.out.weight)
    module.save_pretrained(tmp_path)
    again = ContentAttention.from_pretrained(tmp_path)
    torch.testing.assert_close(again(TEXT, LATENTS), module(TEXT, LATENTS))
