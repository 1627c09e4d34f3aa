"""The heat maps are the published ones: compared with slow float64 versions over all that a run computed."""

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.methods import DatasetDiffusion, DiffuMask, Ovam
from tests.diffusers_attnmask.masking import reference_maps as reference
from tests.small_models import FAMILIES, sd15

CLOSE = {"atol": 1e-4, "rtol": 0}
CALL = {"num_inference_steps": 3, "guidance_scale": 4.0, "output_type": "np", "height": 128, "width": 128}
SIZES = [(128, 128), (192, 128), (136, 120)]
BUILDS = FAMILIES | {"three levels": lambda: sd15(levels=3)}
DOG_AND_CAT = "a dog and a cat"  # tokens: start a dog and a cat end
TOKENS = {"dog": [2], "cat": [5]}
CAT_ONLY = "the red cat on a boat"  # tokens: start the red cat on a boat end


def recorded_run(pipe, prompt, **options):
    """The plain pipeline once more, every query and key of it kept."""
    with reference.everything_of(pipe.unet) as layers:
        pipe(prompt, generator=torch.Generator().manual_seed(1), **(CALL | options))
    return layers


def masked_run(pipe, prompt, **options):
    masked = DiffuMaskPipeline.from_pipe(pipe)
    return masked(prompt, generator=torch.Generator().manual_seed(1), **(CALL | options))


def sizes(size):
    return {"latent_size": (size[0] // 8, size[1] // 8), "image_size": size}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("method", ["daam", "diffumask"])
def test_word_maps_are_the_published_ones(method, build, size):
    options = {"height": size[0], "width": size[1]}
    out = masked_run(BUILDS[build](), DOG_AND_CAT, classes=["dog", "cat"], mask_method=method, **options)
    layers = recorded_run(BUILDS[build](), DOG_AND_CAT, **options)
    for index, tokens in enumerate(TOKENS.values()):
        expected = getattr(reference, method)(layers, 1, tokens, **sizes(size))
        np.testing.assert_allclose(out.heatmaps[0][index], expected.clip(0, 1), **CLOSE)


@pytest.mark.parametrize("method", ["daam", "diffumask"])
def test_without_guidance_the_only_half_is_read(method):
    out = masked_run(sd15(), DOG_AND_CAT, classes=["cat"], mask_method=method, guidance_scale=1.0)
    layers = recorded_run(sd15(), DOG_AND_CAT, guidance_scale=1.0)
    expected = getattr(reference, method)(layers, 0, TOKENS["cat"], **sizes((128, 128)))
    np.testing.assert_allclose(out.heatmaps[0][0], expected.clip(0, 1), **CLOSE)


@pytest.mark.parametrize("build", ["sd15", "sdxl"])
@pytest.mark.parametrize("method", ["daam", "diffumask"])
def test_each_image_of_a_batch_has_the_maps_of_its_own_prompt(method, build):
    """Two prompts, two images each: rows 4 to 7 are the conditional half, in the order of the images."""
    prompts, classes = [DOG_AND_CAT, CAT_ONLY], [["dog", "cat"], ["cat", "boat"]]
    positions = [[2], [5]], [[3], [6]]
    out = masked_run(FAMILIES[build](), prompts, classes=classes, mask_method=method, num_images_per_prompt=2)
    layers = recorded_run(FAMILIES[build](), prompts, num_images_per_prompt=2)
    assert len(out.heatmaps) == 4
    for image in range(4):
        for index, tokens in enumerate(positions[image // 2]):
            expected = getattr(reference, method)(layers, 4 + image, tokens, **sizes((128, 128)))
            np.testing.assert_allclose(out.heatmaps[image][index], expected.clip(0, 1), **CLOSE)


@pytest.mark.parametrize("method", ["daam", "diffumask"])
@pytest.mark.parametrize(
    ("prompt", "phrase", "tokens"),
    [
        ("a dining table with a cat", "dining table", [2, 3]),
        ("an aeroplane", "aeroplane", [2, 3, 4, 5]),
        ("a dog next to a red dog", "dog", [2, 7]),
        ("A Dog, and a CAT!", "cat", [6]),
        ("a photo of dogs", "dogs", [4]),
        ("a dog's boat, dog", "dog", [2, 7]),
        ("a dog and a person", {"human": ["person", "man"]}, [5]),
        ("a man and a person", {"human": ["person", "man"]}, [2, 5]),
        ("a donut next to a nut", "nut", [7]),
    ],
)
def test_a_phrase_is_the_mean_of_exactly_its_own_tokens(method, prompt, phrase, tokens):
    out = masked_run(sd15(), prompt, classes=[phrase], mask_method=method)
    layers = recorded_run(sd15(), prompt)
    expected = getattr(reference, method)(layers, 1, tokens, **sizes((128, 128)))
    np.testing.assert_allclose(out.heatmaps[0][0], expected.clip(0, 1), **CLOSE)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("build", BUILDS)
def test_dataset_diffusion_maps_and_masks_are_the_published_ones(build, size):
    pipe, options = BUILDS[build](), {"height": size[0], "width": size[1]}
    out = masked_run(
        pipe, DOG_AND_CAT, classes=["dining table", "cat"], mask_method="dataset-diffusion", **options
    )
    layers = recorded_run(pipe, f"{DOG_AND_CAT}; dining table cat", **options)
    self_level = 2 if build == "sdxl" else 1  # 32x32 of the size that the family is made for
    keys_of = reference.keys_of_words(reference.text_states(pipe, "dining table cat"))
    maps = [
        reference.dataset_diffusion(layers, 1, tokens, **sizes(size), keys_of=keys_of, self_level=self_level)
        for tokens in ([1, 2], [3])
    ]
    np.testing.assert_allclose(out.heatmaps[0], np.clip(maps, 0, 1), **CLOSE)

    mask = np.asarray(out.masks[0])
    assert {0, 255} <= set(np.unique(mask)), "the random model no longer exercises every branch"
    expected = reference.dataset_diffusion_mask(out.heatmaps[0].numpy())
    assert np.array_equal(mask, expected)


def test_dataset_diffusion_without_appending_samples_the_caption_alone():
    out = masked_run(sd15(), DOG_AND_CAT, classes=["cat"], mask_method=DatasetDiffusion(append_classes=False))
    plain = sd15()(DOG_AND_CAT, generator=torch.Generator().manual_seed(1), **CALL).images
    assert np.array_equal(out.images, plain)


def test_dataset_diffusion_may_read_the_words_where_they_stand_in_the_prompt():
    method = DatasetDiffusion(append_classes=False, words="prompt")
    out = masked_run(sd15(), DOG_AND_CAT, classes=["dog", "cat"], mask_method=method)
    layers = recorded_run(sd15(), DOG_AND_CAT)
    for index, tokens in enumerate(TOKENS.values()):
        expected = reference.dataset_diffusion(
            layers, 1, tokens, **sizes((128, 128)), keys_of=lambda layer: None
        )
        np.testing.assert_allclose(out.heatmaps[0][index], expected.clip(0, 1), **CLOSE)
    with pytest.raises(ValueError, match="words must be 'alone' or 'prompt', not 'caption'"):
        DatasetDiffusion(words="caption")


@pytest.mark.parametrize("build", BUILDS)
def test_ovam_reads_a_word_that_the_prompt_does_not_have(build):
    pipe = BUILDS[build]()
    out = masked_run(pipe, DOG_AND_CAT, classes=["horse"], mask_method="ovam")
    layers = recorded_run(pipe, DOG_AND_CAT)
    keys_of = reference.keys_of_words(reference.text_states(pipe, "horse"))
    expected = reference.daam(layers, 1, [1], **sizes((128, 128)), keys_of=keys_of)
    np.testing.assert_allclose(out.heatmaps[0][0], expected.clip(0, 1), **CLOSE)


def test_ovam_may_compare_with_the_words_alone_without_their_padding():
    """In a batch whose texts differ in length: start, words, end."""
    pipe, classes = sd15(), [["horse"], ["dining table"]]
    prompts = [DOG_AND_CAT, CAT_ONLY]
    out = masked_run(pipe, prompts, classes=classes, mask_method=Ovam(padded=False))
    layers = recorded_run(pipe, prompts)
    for image, (text, tokens) in enumerate([("horse", [1]), ("dining table", [1, 2])]):
        states = reference.text_states(pipe, text)[:, : len(tokens) + 2]
        keys_of = reference.keys_of_words(states)
        expected = reference.daam(layers, 2 + image, tokens, **sizes((128, 128)), keys_of=keys_of)
        np.testing.assert_allclose(out.heatmaps[image][0], expected, **CLOSE)


def test_a_class_may_have_resolutions_of_its_own():
    method = DiffuMask(class_levels={"cat": (3,), "dog": (2,)})
    out = masked_run(sd15(), "a dog and a cat in a boat", classes=["dog", "cat", "boat"], mask_method=method)
    layers = recorded_run(sd15(), "a dog and a cat in a boat")
    for index, (tokens, levels) in enumerate([([2], (2,)), ([5], (3,)), ([8], (0, 1, 2))]):
        expected = reference.diffumask(layers, 1, tokens, **sizes((128, 128)), levels=levels)
        np.testing.assert_allclose(out.heatmaps[0][index], expected.clip(0, 1), **CLOSE)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.9])
def test_a_fixed_threshold_gives_the_strongest_class_where_it_reaches_it(threshold):
    method = DiffuMask(threshold=threshold)
    out = masked_run(sd15(), DOG_AND_CAT, classes=["dog", "cat"], mask_method=method)
    expected = reference.fixed_threshold_mask(out.heatmaps[0].numpy(), threshold)
    assert np.array_equal(np.asarray(out.masks[0]), expected)


def test_bfloat16_maps_are_accumulated_in_float32():
    """Thousands of equal small additions would stall in bfloat16: many steps stay as close as few."""
    for steps in (2, 40):
        options = {"num_inference_steps": steps, "classes": ["cat"], "mask_method": "diffumask"}
        out = masked_run(sd15(dtype=torch.bfloat16), DOG_AND_CAT, **options)
        layers = recorded_run(sd15(dtype=torch.bfloat16), DOG_AND_CAT, num_inference_steps=steps)
        expected = reference.diffumask(layers, 1, TOKENS["cat"], **sizes((128, 128)))
        np.testing.assert_allclose(out.heatmaps[0][0], expected.clip(0, 1), atol=0.01)


def test_grounding_is_the_mean_over_heads_steps_and_tokens_at_one_site():
    out = masked_run(sd15(), "a dining table with a cat", classes=["dining table"], mask_method="grounding")
    layers = recorded_run(sd15(), "a dining table with a cat")
    in_order = sorted(layers, key=lambda layer: ("down", "mid", "up").index(layer.place))
    cross = [layer for layer in in_order if layer.is_cross]
    one = cross[round(9 / 23 * (len(cross) - 1))]
    level = next(
        level for level in range(4) if np.prod(reference.grid_of(level, (16, 16))) == one.queries[0].shape[2]
    )
    columns = reference.mean_map([one], 1, [2, 3], reference.grid_of(level, (16, 16)))
    expected = reference.min_max(reference.bicubic(reference.bicubic(columns, (16, 16)), (128, 128)))
    np.testing.assert_allclose(out.heatmaps[0][0], expected, **CLOSE)
