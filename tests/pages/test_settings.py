"""The recipes and settings on the pages are valid."""

import json

import pytest
import yaml

from dataset_builder.recipe import Recipe
from diffusers_attnmask.methods import make_method
from tests.pages.blocks import blocks

LACKING = {"vocabulary": "tiny-world"}  # where a page shows a part of a recipe


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_a_recipe_is_read(block, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({**LACKING, **yaml.safe_load(block.text)}))
    assert Recipe.read(file).open_vocabulary().class_names


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_settings_of_a_method_are_its_own(block):
    content = json.loads(block.text)
    for name, options in content["options"].items():
        assert make_method(name, options).name == name
