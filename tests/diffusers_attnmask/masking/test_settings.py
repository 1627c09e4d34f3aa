"""`attnmask_config.json` is a model's default, and its mistakes are named."""

import json

import pytest

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import FAMILIES
from diffusers_attnmask.masking.settings import FILE_NAME, ModelSettings, read_settings, settings_of
from diffusers_attnmask.methods import Daam
from tests.small_models import sd15

CONTENT = {
    "method": "daam",
    "options": {"daam": {"levels": [1, 2], "steps": [0.2, 1.0], "threshold": "otsu"}},
}


@pytest.fixture
def model(tmp_path):
    sd15().save_pretrained(tmp_path)
    (tmp_path / FILE_NAME).write_text(json.dumps(CONTENT))
    return tmp_path


def test_a_model_folder_brings_its_default_method(model, tmp_path_factory):
    pipe = DiffuMaskPipeline.from_pretrained(model)
    assert pipe.mask_settings.resolve(None, FAMILIES[0]) == Daam(
        levels=(1, 2), steps=(0.2, 1.0), threshold="otsu"
    )
    elsewhere = tmp_path_factory.mktemp("saved")
    pipe.save_pretrained(elsewhere)
    assert json.loads((elsewhere / FILE_NAME).read_text()) == CONTENT


def test_a_trace_of_the_plain_pipeline_uses_it_too(model):
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(model)
    assert trace(pipe, classes=["dog"]).methods[0].name == "daam"
    assert DiffuMaskPipeline.from_pipe(pipe).mask_settings.method == "daam"


def test_the_callers_options_come_on_top():
    settings = ModelSettings(**CONTENT)
    method = settings.resolve(None, FAMILIES[0], {"threshold": 0.7})
    assert method == Daam(levels=(1, 2), steps=(0.2, 1.0), threshold=0.7)
    own = Daam(threshold=0.1)
    assert settings.resolve(own, FAMILIES[0]) is own


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"methods": "daam"}',
        '{"method": "dam"}',
        '{"options": {"daam": {"level": [1]}}}',
        '{"options": {"daam": {"threshold": 3}}}',
        '{"options": {"daam": {"steps": [1, 0]}}}',
        '{"options": ["daam"]}',
    ],
)
def test_a_mistake_is_one_line_that_names_the_file(tmp_path, content):
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(ValueError, match=FILE_NAME):
        read_settings(tmp_path / FILE_NAME)


@pytest.mark.parametrize("place", [None, "no/such-repository", "/no/such/folder"])
def test_where_there_is_no_file_the_published_settings_hold(place):
    assert settings_of(place) == ModelSettings()
