"""Transformers that look at their text in layers of its own."""

import pytest
import torch
from diffusers import PixArtAlphaPipeline, PixArtSigmaPAGPipeline, SanaPAGPipeline

from diffusers_attnmask import DiffuMaskPipeline, trace
from tests.diffusers_attnmask.families.test_transformers import run
from tests.small_models.cross_transformers import PLAIN_SIZES, pixart, sana, sana_sprint


@pytest.mark.parametrize(
    ("build", "options"),
    [(pixart, PLAIN_SIZES), (sana, PLAIN_SIZES | {"complex_human_instruction": None})],
)
def test_words_beside_the_prompt_are_compared_as_the_prompts_own(build, options):
    """Keys made of a text alone are those that the model makes of it as its prompt."""
    with trace(build(), classes=["dog", "cat"], methods=["daam", "ovam"]) as traced:
        run(traced.pipe, "dog cat", guidance_scale=1.0, num_inference_steps=1, **options)
    for own, other in zip(traced.heatmaps_by("daam"), traced.heatmaps_by("ovam"), strict=True):
        assert torch.allclose(own, other, atol=1e-4)


@pytest.mark.parametrize("method", ["dataset-diffusion", "goca"])
def test_linear_self_attention_is_refused_with_the_reason_and_what_does_without(method):
    pipe = DiffuMaskPipeline.from_pipe(sana())
    with pytest.raises(ValueError, match=r"no self-attention .*compares no place .*use mask_method='daam'"):
        run(pipe, classes=["dog"], mask_method=method, **PLAIN_SIZES)


def test_masks_are_cut_as_the_image_is_from_the_size_that_was_sampled():
    """With bins, 64 × 96 pixels are sampled at 208 × 304 and brought back."""
    pipe = DiffuMaskPipeline.from_pipe(pixart(sample_size=32))
    out = run(pipe, classes=["dog"], mask_method="daam", guidance_scale=1.0, num_inference_steps=1)
    assert out.images.shape[-2:] == (64, 96)
    assert out.heatmaps[0].shape == (1, 64, 96)
    assert out.masks.shape == (1, 64, 96)


@pytest.mark.parametrize("build", [pixart, sana])
def test_concepts_are_refused_with_what_reads_any_words(build):
    pipe = DiffuMaskPipeline.from_pipe(build())
    with pytest.raises(ValueError, match="this model does not: use mask_method='ovam'"):
        run(pipe, classes=["dog"], mask_method="concept-attention", **PLAIN_SIZES)


@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
@pytest.mark.parametrize(("build", "kind"), [(pixart, PixArtSigmaPAGPipeline), (sana, SanaPAGPipeline)])
def test_perturbed_attention_changes_neither_images_nor_what_is_read(build, kind, guidance_scale):
    options = {"guidance_scale": guidance_scale, "num_inference_steps": 1, **PLAIN_SIZES}
    own = (
        {"qk_norm": None} if build is sana else {}
    )  # diffusers' perturbed linear attention forgets the norms
    pipe = build(kind=kind, fresh=True, **own)
    masked = DiffuMaskPipeline.from_pipe(pipe)
    plain = run(pipe, pag_scale=3.0, **options).images
    perturbed = run(masked, classes=["dog", "cat"], mask_method="daam", pag_scale=3.0, **options)
    without = run(masked, classes=["dog", "cat"], mask_method="daam", pag_scale=0.0, **options)
    assert torch.equal(perturbed.images, plain)
    assert not torch.equal(without.images, plain)
    assert torch.allclose(perturbed.heatmaps[0], without.heatmaps[0], atol=1e-4)


@pytest.mark.parametrize("build", [lambda: pixart(kind=PixArtAlphaPipeline), sana_sprint])
def test_other_pipelines_of_a_family_keep_their_images(build):
    pipe = build()
    masked = DiffuMaskPipeline.from_pipe(pipe)
    out = run(masked, classes=["dog", "cat"], **PLAIN_SIZES)
    assert torch.equal(out.images, run(pipe, **PLAIN_SIZES).images)
    looked = masked.segment(out.images, "a dog", ["dog"], mask_method="daam")
    assert looked.heatmaps[0].std() > 1e-4
