"""What a model brings along, what recording holds in memory, and masks without a sampling of one's own."""

import json

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.masking.token_learning import optimize_tokens
from diffusers_attnmask.words.token_embedding import TokenEmbedding
from tests.diffusers_attnmask.masking import reference_maps as reference
from tests.small_models import FAMILIES, picture, sd15, sdxl

METHODS = ("daam", "diffumask", "dataset-diffusion", "ovam", "goca")
CALL = {"num_inference_steps": 2, "output_type": "pt"}
SIZES = {"latent_size": (16, 16), "image_size": (128, 128)}


def run(pipe, prompt="a dog and a cat", **options):
    return pipe(prompt, generator=torch.Generator().manual_seed(9), **(CALL | options))


def folder_with(tmp_path, settings):
    sd15().save_pretrained(tmp_path)
    (tmp_path / "attnmask_config.json").write_text(json.dumps(settings))
    return tmp_path


def loaded(folder):
    pipe = DiffuMaskPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_a_models_own_settings_are_its_defaults(tmp_path):
    settings = {
        "method": "daam",
        "options": {"daam": {"levels": [1], "steps": [0.5, 1.0], "threshold": 0.25}},
    }
    pipe = loaded(folder_with(tmp_path, settings))
    out = run(pipe, classes=["dog"])

    with reference.everything_of(pipe.unet) as layers:
        run(pipe)
    for layer in layers:
        layer.queries, layer.keys = layer.queries[1:], layer.keys[1:]
    expected = reference.daam(layers, 1, [2], **SIZES, levels=(1,))
    np.testing.assert_allclose(out.heatmaps[0][0], expected, atol=1e-4)
    mask = reference.fixed_threshold_mask(out.heatmaps[0].numpy(), 0.25)
    assert np.array_equal(out.masks[0].numpy(), mask)

    named = run(pipe, classes=["dog"], mask_method="daam")
    assert torch.equal(named.heatmaps[0], out.heatmaps[0])
    other = run(pipe, classes=["dog"], mask_method="daam", mask_options={"levels": (2,)})
    assert not torch.equal(other.heatmaps[0], out.heatmaps[0])


def test_a_models_settings_travel_with_it(tmp_path):
    settings = {"method": "ovam", "options": {"ovam": {"threshold": 0.25}}}
    pipe = loaded(folder_with(tmp_path / "first", settings))
    pipe.save_pretrained(tmp_path / "second")
    assert json.loads((tmp_path / "second" / "attnmask_config.json").read_text()) == settings
    plain = DiffusionPipeline.from_pretrained(tmp_path / "first")
    for masked in (loaded(tmp_path / "second"), DiffuMaskPipeline.from_pipe(plain)):
        masked.set_progress_bar_config(disable=True)
        # "horse" stands in no prompt: only ovam reads it
        assert run(masked, classes=["horse"]).heatmaps[0].shape == (1, 128, 128)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"method": "dam"}, "dam"),
        ({"options": {"daam": {"level": [1]}}}, "level"),
        ({"options": {"dam": {}}}, "dam"),
        ({"methods": "daam"}, "attnmask_config.json"),
        ({"options": {"diffumask": {"threshold": "sharp"}}}, "sharp"),
        ([], "attnmask_config.json"),
    ],
)
def test_mistaken_settings_are_an_error_that_names_file_and_value(tmp_path, settings, named):
    with pytest.raises(ValueError, match=rf"(?s)(?=.*attnmask_config\.json)(?=.*{named})"):
        DiffuMaskPipeline.from_pretrained(folder_with(tmp_path, settings))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("family", FAMILIES)
def test_recorded_state_does_not_grow_with_the_steps(family, method):
    sizes = []
    for steps in (1, 2, 6):
        pipe = FAMILIES[family]()
        with trace(pipe, classes=["dog", "cat"], methods=method) as recorded:
            run(pipe, num_inference_steps=steps)
        sizes.append(recorded.nbytes)
    assert 0 < sizes[0] == sizes[1] == sizes[2]


@pytest.mark.parametrize("method", ["daam", "diffumask"])
def test_recorded_state_grows_with_the_tokens_asked_for_and_not_with_the_prompt(method):
    def nbytes(prompt, classes):
        pipe = sd15()
        with trace(pipe, classes=classes, methods=method) as recorded:
            run(pipe, prompt)
        return recorded.nbytes

    one = nbytes("a dog and a cat", ["dog"])
    assert nbytes("a dog and a cat", ["dog", "cat"]) == 2 * one
    assert nbytes("a photo of a red dog and a blue cat on the grass next to a boat", ["dog"]) == one


@pytest.mark.parametrize("build", [sd15, sdxl])
def test_prompt_embeddings_are_read_with_the_words_they_encode(build):
    pipe = build()
    parts = pipe.encode_prompt(
        "a dog and a cat", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
    )
    names = (
        "prompt_embeds",
        "negative_prompt_embeds",
        "pooled_prompt_embeds",
        "negative_pooled_prompt_embeds",
    )
    embeddings = {name: part for name, part in zip(names, parts, strict=False) if part is not None}
    options = {"classes": ["cat"], "mask_method": "daam", "guidance_scale": 1.0}
    masked = DiffuMaskPipeline.from_pipe(pipe)
    spoken = run(masked, **options)
    embedded = run(masked, None, mask_prompt="a dog and a cat", **embeddings, **options)
    assert torch.equal(embedded.images, spoken.images)
    assert torch.equal(embedded.heatmaps[0], spoken.heatmaps[0])
    with pytest.raises(ValueError, match="horse"):
        run(masked, None, mask_prompt="a dog and a cat", **embeddings, **options | {"classes": ["horse"]})


@pytest.mark.parametrize("method", ["daam", "diffumask"])
@pytest.mark.parametrize("build", [sd15, sdxl])
def test_an_existing_image_is_segmented_by_one_pass_over_its_noisy_latents(build, method):
    pipe = DiffuMaskPipeline.from_pipe(build())
    image = picture(3)
    out = pipe.segment(
        image,
        "a dog and a cat",
        ["dog", "cat"],
        strength=0.4,
        mask_method=method,
        generator=torch.Generator().manual_seed(2),
    )
    assert out.images[0] is image
    assert out.class_names == ["background", "dog", "cat"]

    pixels = torch.from_numpy(np.array(image)).float().permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad(), reference.everything_of(pipe.unet) as layers:
        latents = pipe.vae.encode(pixels).latent_dist.mean * pipe.vae.config.scaling_factor
        noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(2))
        timestep = round(0.4 * 999)
        noisy = pipe.scheduler.add_noise(latents, noise, torch.tensor([timestep]))
        extra = {}
        if build is sdxl:
            _, _, pooled, _ = pipe.encode_prompt(
                "a dog and a cat", device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False
            )
            ids = torch.tensor([[128.0, 128, 0, 0, 128, 128]])
            extra = {"added_cond_kwargs": {"text_embeds": pooled, "time_ids": ids}}
        pipe.unet(noisy, timestep, reference.text_states(pipe, "a dog and a cat"), **extra)
    for index, token in enumerate([2, 5]):
        expected = getattr(reference, method)(layers, 0, [token], **SIZES)
        np.testing.assert_allclose(out.heatmaps[0][index], expected.clip(0, 1), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("build", [sd15, sdxl])
def test_several_images_are_segmented_with_several_looks(build, method):
    pipe = DiffuMaskPipeline.from_pipe(build())
    before = dict(pipe.unet.attn_processors)
    out = pipe.segment(
        [picture(1), picture(2)], ["a dog", "a red cat"], [["dog"], ["cat"]], looks=3, mask_method=method
    )
    assert out.class_names == [["background", "dog"], ["background", "cat"]]
    for heatmaps, mask in zip(out.heatmaps, out.masks, strict=True):
        assert heatmaps.shape == (1, 128, 128)
        assert heatmaps.std() > 1e-3
        assert mask.size == (128, 128)
    assert all(pipe.unet.attn_processors[name] is before[name] for name in before)


def test_what_cannot_be_segmented_is_an_error():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    with pytest.raises(ValueError, match="horse"):
        pipe.segment(picture(), "a dog", ["horse"], mask_method="daam")
    with pytest.raises(ValueError, match=r"strength.*1\.5"):
        pipe.segment(picture(), "a dog", ["dog"], strength=1.5)
    with pytest.raises(ValueError, match="2"):
        pipe.segment([picture(0), picture(1)], "a dog", ["dog"])


def intersection_over_union(heatmap, target):
    mask = heatmap >= heatmap.quantile(1 - target.float().mean().item())
    return ((mask & target).sum() / (mask | target).sum()).item()


@pytest.mark.parametrize("build", [sd15, sdxl])
def test_a_learned_token_finds_its_region_again_where_the_word_does_not(build, tmp_path):
    """The region is that of another word, so that the model can tell it apart at all."""
    pipe = DiffuMaskPipeline.from_pipe(build())
    truth = run(pipe, classes=["dog"], mask_method="ovam").heatmaps[0][0]
    target = truth >= truth.quantile(0.7)
    learned = optimize_tokens(
        pipe,
        "a dog and a cat",
        target.numpy().astype(np.uint8),
        name="thing",
        steps=100,
        lr=0.2,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(9),
    )
    word = run(pipe, classes=["thing"], mask_method="ovam").heatmaps[0][0]
    again = run(pipe, classes=[learned], mask_method="ovam")
    assert again.class_names == ["background", "thing"]
    assert torch.equal(again.images, run(build()).images)
    found = intersection_over_union(again.heatmaps[0][0], target)
    assert found > intersection_over_union(word, target) + 0.15

    file = learned.save(tmp_path / "thing.safetensors")
    restored = run(pipe, classes=[{"renamed": [TokenEmbedding.load(file)]}], mask_method="ovam")
    assert restored.class_names == ["background", "renamed"]
    assert torch.equal(restored.heatmaps[0], again.heatmaps[0])


def test_what_is_no_saved_token_is_an_error(tmp_path):
    (tmp_path / "junk.safetensors").write_bytes(b"junk" * 10)
    with pytest.raises(ValueError, match="junk"):
        TokenEmbedding.load(tmp_path / "junk.safetensors")
    with pytest.raises(OSError):
        TokenEmbedding.load(tmp_path / "absent.safetensors")
    learned = TokenEmbedding("thing", torch.zeros(2, 32), (1,))
    with pytest.raises((TypeError, ValueError), match="ovam"):
        run(DiffuMaskPipeline.from_pipe(sd15()), classes=[learned], mask_method="daam")
