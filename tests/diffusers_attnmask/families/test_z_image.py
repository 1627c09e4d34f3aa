"""What only Z-Image does: padding to 32, guidance that is cut off, embeddings that are not encoded."""

import functools

import pytest
import torch
from diffusers.models.transformers import transformer_z_image

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.attention.recorder import Recorder
from diffusers_attnmask.methods import ConceptAttention
from tests.small_models.z_image import z_image


def run(pipe, prompt, **options):
    call = {
        "num_inference_steps": 4,
        "height": 64,
        "width": 96,
        "output_type": "pt",
        "max_sequence_length": 128,
    }
    return pipe(prompt=prompt, generator=torch.Generator().manual_seed(0), **(call | options))


def test_words_beside_the_text_go_the_way_that_the_text_goes(monkeypatch):
    """Where the text is one token without padding, the same token beside it has its attention outputs."""
    pipe = z_image()
    monkeypatch.setattr(transformer_z_image, "SEQ_MULTI_OF", 1)
    encode, add, pairs = pipe.encode_prompt, Recorder.add, []

    @functools.wraps(encode)
    def the_word_alone(*args, **kwargs):
        (text,), others = encode(*args, **kwargs)
        return [text[3:4]], others

    def compare(self, site, comparison):
        add(self, site, comparison)
        text = self.layout(site, self.passing).text
        pairs.append((self.stream.outputs[site.name], comparison.output[:, :, text : text + 1]))

    monkeypatch.setattr(pipe, "encode_prompt", the_word_alone)
    monkeypatch.setattr(Recorder, "add", compare)
    with trace(pipe, classes=["dog"], methods=ConceptAttention(decoys=())):
        run(pipe, "dog", num_inference_steps=1, guidance_scale=0.0)
    assert len(pairs) == 3
    for beside, text in pairs:
        assert torch.allclose(beside, text, atol=1e-5)


@pytest.mark.parametrize("cut_off", [0.0, 0.5, 1.0])
def test_guidance_may_be_cut_off_midway(cut_off):
    options = {"guidance_scale": 4.0, "cfg_truncation": cut_off, "num_images_per_prompt": 2}
    plain = run(z_image(), "a dog and a cat", **options).images
    pipe = DiffuMaskPipeline.from_pipe(z_image())
    out = run(pipe, "a dog and a cat", classes=["dog"], mask_method="daam", **options)
    assert torch.equal(out.images, plain)
    assert len(out.masks) == 2


def test_prompts_of_very_different_lengths_share_a_batch():
    prompts = ["a dog and a cat", "a red dog " + "and a cat in the house " * 6]
    plain = run(z_image(), list(prompts), guidance_scale=4.0).images
    pipe = DiffuMaskPipeline.from_pipe(z_image())
    options = {"classes": ["dog", "cat"], "mask_method": "daam", "guidance_scale": 4.0}
    out = run(pipe, list(prompts), **options)
    assert torch.equal(out.images, plain)
    noise = torch.randn(2, 4, 8, 12, generator=torch.Generator().manual_seed(1))
    both = run(pipe, list(prompts), latents=noise, **options)
    for index, prompt in enumerate(prompts):
        alone = run(pipe, prompt, latents=noise[index : index + 1], **options)
        assert torch.allclose(alone.heatmaps[0], both.heatmaps[index], atol=1e-3)


def test_embeddings_need_their_text_beside_them():
    pipe = z_image()
    embeds, _ = pipe.encode_prompt("a dog", do_classifier_free_guidance=False)
    given = {"prompt_embeds": embeds, "guidance_scale": 0.0}
    plain = run(pipe, None, **given).images
    masked = DiffuMaskPipeline.from_pipe(pipe)
    assert torch.equal(run(masked, "a dog", classes=["dog"], **given).images, plain)
    with pytest.raises(ValueError, match="give prompt= beside prompt_embeds="):
        run(masked, None, classes=["dog"], **given)
    with trace(pipe, classes=["dog"]), pytest.raises(ValueError, match="Give prompt= beside them"):
        run(pipe, "a dog", guidance_scale=0.0)
        run(pipe, None, **given)
