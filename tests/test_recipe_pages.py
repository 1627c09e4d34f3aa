"""The pages that tell every key of a recipe are those of today's options, and their examples are valid."""

import importlib.util
from pathlib import Path

import jsonschema
import pytest

from diffusers_attnmask.ground.options import json_schema

DOCS = Path(__file__).parents[1] / "docs"
spec = importlib.util.spec_from_file_location("recipe_pages", DOCS / "recipe_pages.py")
recipe_pages = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recipe_pages)

SCHEMAS = {name: json_schema(kind) for name, (kind, *_) in recipe_pages.PAGES.items()}
CLASSES = {
    name: (section, schema)
    for schema in SCHEMAS.values()
    for name, section, _ in recipe_pages.sections(schema, schema, "")
}


@pytest.mark.parametrize("name", recipe_pages.PAGES)
def test_a_page_is_what_the_options_say(name):
    written = (DOCS / name).read_text(encoding="utf-8")
    assert written == recipe_pages.page(*recipe_pages.PAGES[name]), "run: python docs/recipe_pages.py"


@pytest.mark.parametrize("name", CLASSES)
def test_there_is_an_example_of_every_key_and_it_is_valid(name):
    section, schema = CLASSES[name]
    assert list(recipe_pages.EXAMPLES[name]) == list(section["properties"])
    for key, value in section["properties"].items():
        jsonschema.validate(recipe_pages.EXAMPLES[name][key], {**value, "$defs": schema.get("$defs", {})})


def test_no_example_is_of_something_else():
    assert set(recipe_pages.EXAMPLES) == set(CLASSES)
