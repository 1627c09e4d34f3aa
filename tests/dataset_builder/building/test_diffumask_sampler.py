"""The real sampler: the pipeline's own images, one seed each, and a refusal that hurts no other pair."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dataset_builder.building.diffumask_sampler import DiffuMaskSampler
from dataset_builder.building.run import build
from dataset_builder.building.sampler import Refused
from dataset_builder.dataset_folder import read_pairs
from dataset_builder.engine.options import EngineOptions
from dataset_builder.prompts import PromptItem
from dataset_builder.recipe import Recipe, Refinement, SamplingOptions
from tests.small_models import IMAGE_SIZE, safety_checker, sd15
from tests.small_models.sam import sam2

ITEMS = [
    PromptItem("a photo of a cat", (("cat", ("cat",)),)),
    PromptItem("a dog and a cat", (("dog", ("dog",)), ("cat", ("cat",))), negative="blur"),
    PromptItem("a photo of a horse", (("dog", ("dog",)),)),
]
SEEDS = [11, 12, 13]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "small"
    sd15().save_pretrained(folder)
    return folder


@pytest.fixture
def recipe(model, tmp_path) -> Recipe:
    words = tmp_path / "pets.yaml"
    words.write_text("classes: {dog: {options: {diffumask: {levels: [1]}}}, cat: [cat, kitten]}\n")
    return Recipe(
        str(words),
        pairs=4,
        shard_size=2,
        model=str(model),
        method="diffumask",
        method_options={"threshold": 0.4},
        sampling=SamplingOptions(steps=2, batch_size=2, threads=1),
    )


def test_images_are_those_of_the_plain_pipeline_with_their_seeds(recipe):
    first, second = DiffuMaskSampler(recipe)(ITEMS[:2], SEEDS[:2])
    plain = sd15()
    plain.set_progress_bar_config(disable=True)
    expected = plain(
        [item.text for item in ITEMS[:2]],
        negative_prompt=["", "blur"],
        num_inference_steps=2,
        generator=[torch.Generator().manual_seed(seed) for seed in SEEDS[:2]],
        output_type="np",
    ).images
    for sampled, image in zip((first, second), expected, strict=True):
        np.testing.assert_array_equal(sampled.image, (image * 255).round().astype(np.uint8))
    assert first.heatmaps.shape == (1, IMAGE_SIZE, IMAGE_SIZE)
    assert second.heatmaps.shape == (2, IMAGE_SIZE, IMAGE_SIZE)
    assert set(np.unique(second.mask)) <= {0, 1, 2, 255}


def test_a_prompt_that_the_method_refuses_is_left_out_before_the_others_are_sampled_at_once(
    recipe, monkeypatch
):
    sampler, sampled = DiffuMaskSampler(recipe), []
    drawn = sampler.drawn
    monkeypatch.setattr(sampler, "drawn", lambda items, seeds: sampled.append(seeds) or drawn(items, seeds))
    refused, first, second = sampler([ITEMS[2], *ITEMS[:2]], [13, 11, 12])
    assert isinstance(refused, Refused)
    assert "class 'dog': 'dog' does not stand in the prompt" in refused.why
    assert sampled == [[11, 12]]
    for own, alone in zip((first, second), sampler(ITEMS[:2], SEEDS[:2]), strict=True):
        np.testing.assert_array_equal(own.image, alone.image)


def test_an_error_of_the_sampling_is_no_refusal(recipe, monkeypatch):
    sampler = DiffuMaskSampler(recipe)

    def not_finite(*items):
        raise ValueError("none of the 4 attention maps of a layer was finite: sample in float32")

    monkeypatch.setattr(sampler, "drawn", not_finite)
    with pytest.raises(ValueError, match="sample in float32"):
        sampler(ITEMS, SEEDS)


def test_an_option_that_the_method_does_not_have_is_found_in_the_recipe(recipe):
    with pytest.raises(ValueError, match="treshold"):
        replace(recipe, method_options={"treshold": 0.4})


def test_prompts_that_are_all_refused_cost_no_sampling(recipe):
    (refused,) = DiffuMaskSampler(recipe)(ITEMS[2:], SEEDS[2:])
    assert isinstance(refused, Refused)


def test_the_vocabularys_options_reach_the_method(recipe):
    sampler = DiffuMaskSampler(recipe)
    assert sampler.method_options == {"class_levels": {"dog": [1]}, "threshold": 0.4}
    assert (sampler.model, sampler.method) == ("small", "diffumask")


def test_an_image_that_the_safety_checker_blanks_is_flagged(recipe, tmp_path):
    checked = sd15(checker=safety_checker())
    checked.save_pretrained(tmp_path / "checked")
    own = replace(recipe, model=str(tmp_path / "checked"))
    (sampled,) = DiffuMaskSampler(own)(ITEMS[:1], SEEDS[:1])
    assert sampled.blanked
    unchecked = replace(own, sampling=replace(own.sampling, safety_checker=False))
    (sampled,) = DiffuMaskSampler(unchecked)(ITEMS[:1], SEEDS[:1])
    assert not sampled.blanked


def test_size_and_scheduler_of_the_recipe_are_used(recipe):
    own = replace(
        recipe, sampling=replace(recipe.sampling, size=(64, 128), scheduler="EulerDiscreteScheduler")
    )
    sampler = DiffuMaskSampler(own)
    assert type(sampler.pipe.scheduler).__name__ == "EulerDiscreteScheduler"
    assert sampler(ITEMS[:1], SEEDS[:1])[0].image.shape == (64, 128, 3)


@pytest.mark.parametrize("name", ["FastScheduler", "AutoencoderKL", "logging"])
def test_a_scheduler_that_is_none_is_named(recipe, name):
    own = replace(recipe, sampling=replace(recipe.sampling, scheduler=name))
    with pytest.raises(ValueError, match=f"no scheduler '{name}'"):
        DiffuMaskSampler(own)


@pytest.mark.parametrize("method", ["crf", "match", "sam"])
def test_a_build_with_a_real_model_and_refinement(recipe, tmp_path, method):
    model = str(tmp_path / "sam2") if method == "sam" else None
    if model is not None:
        sam2(model)
    own = replace(recipe, refinement=Refinement(method, box_area=0, model=model))
    manifest = build(own, tmp_path / "data", EngineOptions(workers=0), show_progress=False)
    assert manifest.tally.pairs + sum(manifest.tally.skipped.values()) == 4
    assert manifest.inputs["model"]
    for pair in read_pairs(tmp_path / "data"):
        assert pair.mask.shape == pair.image.size == (IMAGE_SIZE, IMAGE_SIZE)
        assert pair.row["model"] == "small"
        assert set(np.unique(np.asarray(pair.mask))) <= {0, 1, 2, 255}
