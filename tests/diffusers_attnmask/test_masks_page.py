"""The page about masks names every method and option there is, and its settings are valid."""

import json
import re
from dataclasses import fields
from pathlib import Path

from diffusers_attnmask.masking.settings import ModelSettings
from diffusers_attnmask.methods import METHODS

PAGE = (Path(__file__).parents[2] / "docs" / "masks.md").read_text(encoding="utf-8")


def rows(title):
    table = PAGE.split(f"| {title} |")[1].split("\n\n")[0].splitlines()[2:]
    return [[re.findall(r"`([^`]+)`", cell) for cell in row.strip("|").split(" | ")] for row in table]


def test_every_method_is_there():
    assert {name for row in rows("name") for name in row[0]} == set(METHODS)


def test_every_option_stands_beside_the_methods_that_have_it():
    said = {
        (option, name)
        for options, names, *_ in rows("option")
        for option in options
        for name in names or METHODS
    }
    assert said == {(option.name, name) for name, method in METHODS.items() for option in fields(method)}


def test_the_settings_shown_are_valid():
    (shown,) = re.findall(r"```json\n(.*?)\n```", PAGE, re.DOTALL)
    assert ModelSettings(**json.loads(shown)).method == "daam"
