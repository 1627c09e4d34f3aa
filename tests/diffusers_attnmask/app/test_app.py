"""The app: what its buttons do, and the page as it is served."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import SpaceCard
from PIL import Image

import hub_cards
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.app.page import serve
from diffusers_attnmask.app.studio import Studio, typed_classes
from diffusers_attnmask.commands.app import app
from diffusers_attnmask.ground.pictures import read_image, read_mask
from tests.small_models import picture, sd15

SPACE = Path(hub_cards.__file__).with_name("space")


def studio_of_a_small_model():
    return Studio(DiffuMaskPipeline.from_pipe(sd15()))


@pytest.fixture
def studio():
    return studio_of_a_small_model()


def test_a_prompt_becomes_pictures_masks_and_maps(studio):
    shown = studio.sample("a dog and a plane", "dog; aeroplane=plane,jet", "daam", 2.0, 7.5, 3.0)
    assert shown.image.size == shown.mask.size == (128, 128)
    assert shown.mask.mode == "P" and set(np.unique(np.asarray(shown.mask))) <= {0, 1, 2}
    assert [name for _, name in shown.heatmaps] == ["dog", "aeroplane"]
    assert shown.overlay.height > 128, "with a legend"
    assert shown.seed == 3
    again = studio.sample("a dog and a plane", "dog; aeroplane=plane,jet", "daam", 2, 7.5, 3)
    assert np.array_equal(np.asarray(shown.image), np.asarray(again.image))


def test_a_picture_gets_masks_by_the_models_own_method(studio, tmp_path):
    picture(size=100).convert("RGBA").save(tmp_path / "dog.png")
    shown = studio.segment(str(tmp_path / "dog.png"), "a dog", "dog", "", 0.5, 2.0, -1)
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


@pytest.fixture(scope="module")
def client():
    """Of the page as it is served."""
    pytest.importorskip("gradio", reason="pip install gradio")
    from gradio_client import Client

    _, address, _ = serve(studio_of_a_small_model(), prevent_thread_lock=True, quiet=True)
    yield Client(address, verbose=False)
    __import__("gradio").close_all()


def test_the_page_shows_pictures_masks_and_maps_of_a_prompt(client):
    asked = ("a dog and a plane", "dog; aeroplane=plane,jet", "daam", 2, 7.5, 3)
    image, overlay, mask, heatmaps, seed = client.predict(*asked, api_name="/sample")
    shown = studio_of_a_small_model().sample(*asked)
    assert np.array_equal(read_image(Path(image)), np.asarray(shown.image))
    assert np.array_equal(read_mask(Path(mask)), np.asarray(shown.mask)), "class ids, and no colours"
    assert np.array_equal(read_image(Path(overlay)), np.asarray(shown.overlay))
    assert [own["caption"] for own in heatmaps] == ["dog", "aeroplane"] and seed == 3


def test_the_page_finds_the_masks_of_a_picture_as_the_commands_read_it(client, tmp_path):
    from gradio_client import handle_file

    lying = Image.Exif()
    lying[0x0112] = 6
    picture(size=96).crop((0, 0, 96, 64)).save(tmp_path / "lying.png", exif=lying)
    asked = ("a dog", "dog", "", 0.5, 1)
    image, _, mask, _, seed = client.predict(
        handle_file(str(tmp_path / "lying.png")), *asked, None, api_name="/segment"
    )
    assert np.array_equal(read_image(Path(image)), read_image(tmp_path / "lying.png"))
    again = studio_of_a_small_model().segment(str(tmp_path / "lying.png"), *asked, seed)
    assert np.array_equal(read_mask(Path(mask)), np.asarray(again.mask))


def test_the_page_shows_what_is_wrong(client, tmp_path):
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError, match="class 'horse': 'horse' does not stand in the prompt"):
        client.predict("a dog", "horse", "daam", 2, 7.5, 0, api_name="/sample")
    picture(size=64).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:200])
    with pytest.raises(AppError, match=r"cut\.png is cut off or damaged"):
        client.predict(
            handle_file(str(tmp_path / "cut.png")), "a dog", "dog", "", 0.5, 1, 0, api_name="/segment"
        )
    (tmp_path / "none.png").write_text("no picture")
    with pytest.raises(AppError, match="cannot identify image"):
        client.predict(
            handle_file(str(tmp_path / "none.png")), "a dog", "dog", "", 0.5, 1, 0, api_name="/segment"
        )


def test_the_space_has_a_card_an_entry_and_its_requirements():
    card = SpaceCard.load(SPACE / "README.md")
    assert card.data.sdk == "gradio" and (SPACE / card.data.app_file).is_file()
    assert yaml.safe_load((SPACE / "requirements.txt").read_text()) == "diffusers-attnmask[app]"
    compile((SPACE / "app.py").read_text(), "app.py", "exec")
