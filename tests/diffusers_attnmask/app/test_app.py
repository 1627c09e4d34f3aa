"""The app: what its buttons do, and that the page asks for what they take and shows what they give."""

from __future__ import annotations

import inspect
import re
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml
from huggingface_hub import SpaceCard

import hub_cards
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.app.page import page
from diffusers_attnmask.app.studio import Studio, typed_classes
from diffusers_attnmask.commands.app import app
from tests.small_models import picture, sd15

SPACE = Path(hub_cards.__file__).with_name("space")


@pytest.fixture
def studio():
    return Studio(DiffuMaskPipeline.from_pipe(sd15()))


def test_a_prompt_becomes_pictures_masks_and_maps(studio):
    shown = studio.sample("a dog and a plane", "dog; aeroplane=plane,jet", "daam", 2.0, 7.5, 3.0)
    assert shown.image.size == shown.mask.size == (128, 128)
    assert shown.mask.mode == "P" and set(np.unique(np.asarray(shown.mask))) <= {0, 1, 2}
    assert [name for _, name in shown.heatmaps] == ["dog", "aeroplane"]
    assert shown.overlay.height > 128, "with a legend"
    assert shown.seed == 3
    again = studio.sample("a dog and a plane", "dog; aeroplane=plane,jet", "daam", 2, 7.5, 3)
    assert np.array_equal(np.asarray(shown.image), np.asarray(again.image))


def test_a_picture_gets_masks_by_the_models_own_method(studio):
    shown = studio.segment(picture(size=100).convert("RGBA"), "a dog", "dog", "", 0.5, 2.0, -1)
    assert shown.mask.size == shown.heatmaps[0][0].size == (100, 100)
    assert 0 <= shown.seed < 2**31, "drawn, and told"


def test_without_a_picture_or_classes_it_says_so(studio):
    with pytest.raises(ValueError, match="choose a picture first"):
        studio.segment(None, "a dog", "dog", "", 0.5, 1, 0)
    with pytest.raises(ValueError, match="name at least one class"):
        studio.sample("a dog", " ; ", "", 1, 7.5, 0)
    assert typed_classes("dog;cat ;") == ["dog", "cat"]


def test_without_gradio_the_command_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gradio", None)
    with pytest.raises(OSError, match=re.escape("pip install 'diffusers-attnmask[app]'")):
        app()


class Component(AbstractContextManager):
    """Stands for any component of gradio, which is no requirement of the tests: keeps what it was given."""

    def __init__(self, *values, **options) -> None:
        self.values, self.options, self.clicks = values, options, []
        COMPONENTS.append(self)

    def __exit__(self, *error) -> None:
        return None

    def click(self, function, inputs, outputs, **options) -> None:
        self.clicks.append((function, inputs, outputs))


COMPONENTS: list[Component] = []


@pytest.fixture
def gradio(monkeypatch):
    module = ModuleType("gradio")
    for name in ("Blocks", "Button", "Dropdown", "Gallery", "Image", "Markdown", "Number", "Row", "Slider"):
        setattr(module, name, Component)
    module.Tab = module.Textbox = Component
    module.Error = type("Error", (Exception,), {})
    monkeypatch.setitem(__import__("sys").modules, "gradio", module)
    COMPONENTS.clear()
    return module


def test_the_page_asks_for_what_the_buttons_take_and_shows_what_they_give(gradio, studio):
    page(studio)
    clicks = [click for component in COMPONENTS for click in component.clicks]
    assert [function.__name__ for function, _, _ in clicks] == ["sample", "segment"]
    for function, inputs, outputs in clicks:
        assert len(inputs) == len(inspect.signature(function).parameters)
        assert len(outputs) == 5
    sample, inputs, _ = clicks[0]
    values = [field.options.get("value", field.values[0]) for field in inputs]
    values[:2], values[3] = ("a dog on grass", "dog"), 1
    assert [name for _, name in sample(*values)[3]] == ["dog"]
    with pytest.raises(gradio.Error, match="horse"):
        sample(values[0], "horse", *values[2:])


def test_the_space_has_a_card_an_entry_and_its_requirements():
    card = SpaceCard.load(SPACE / "README.md")
    assert card.data.sdk == "gradio" and (SPACE / card.data.app_file).is_file()
    assert yaml.safe_load((SPACE / "requirements.txt").read_text()) == "diffusers-attnmask[app]"
    compile((SPACE / "app.py").read_text(), "app.py", "exec")
