"""`augment` in a recipe and `--augment` on the command line."""

from __future__ import annotations

import json

import pytest
import yaml

from diffusers_attnmask.ground.options import read_options
from tests.train_segmenter.shapes import SMALL_MODEL, SMALL_SIZES, write_folder
from train_segmenter.augmentation.options import PUBLISHED_GRIDS, AugmentOptions
from train_segmenter.commands.train import train
from train_segmenter.training.options import TrainOptions


@pytest.mark.parametrize(
    ("value", "options"),
    [
        ("true", AugmentOptions()),
        ("{}", AugmentOptions()),
        ("false", None),
        ("null", None),
        ("{splice: 0.2, grids: [[2, 2]], blur_sigma: [1, 2]}", AugmentOptions(0.2, ((2, 2),), 0.3, (1, 2))),
    ],
)
def test_a_recipe_says_whether_and_how(value, options):
    assert read_options(TrainOptions, yaml.safe_load(f"augment: {value}"), "training").augment == options


def test_a_misspelt_setting_is_named():
    with pytest.raises(ValueError, match="augment has no option splices: did you mean splice"):
        read_options(TrainOptions, {"augment": {"splices": 1}}, "training")


def test_images_that_are_augmented_do_not_come_again():
    still = {"crop": None, "scale": [1, 1], "colour": 0}
    assert read_options(TrainOptions, {"augmentation": still}, "training").repeats
    augmented = {"augmentation": still, "augment": True}
    assert not read_options(TrainOptions, augmented, "training").repeats


@pytest.mark.parametrize(("in_recipe", "splice"), [(None, AugmentOptions.splice), ({"splice": 0.1}, 0.1)])
def test_the_command_augments_by_its_recipe_else_by_the_defaults(tmp_path, in_recipe, splice):
    write_folder(tmp_path / "data")
    training = {"steps": 1, "batch_size": 2, "augmentation": {"crop": 32}, "augment": in_recipe}
    recipe = {"model": SMALL_MODEL, "model_options": SMALL_SIZES, "training": training}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    out = tmp_path / "out"
    train(
        [f"folder:{tmp_path / 'data'}"], out, recipe=str(tmp_path / "recipe.yaml"), pretrained="none",
        augment=True, device="cpu", as_json=True,
    )  # fmt: skip
    used = json.loads((out / "train.json").read_text())["augment"]
    assert used["splice"] == splice
    assert [tuple(grid) for grid in used["grids"]] == list(PUBLISHED_GRIDS)
