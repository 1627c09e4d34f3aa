"""What the app's buttons do: pictures, masks cut anew without sampling, several methods, every word."""

from __future__ import annotations

import json
import pickle
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from huggingface_hub import SpaceCard
from PIL import Image

import hub_cards
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.app.answers import answered
from diffusers_attnmask.app.halt import Halts
from diffusers_attnmask.app.lent_gpu import on_lent_gpu
from diffusers_attnmask.app.studio import Asked, Stopped, Studio, Watch, named_classes
from diffusers_attnmask.app.view import enlarged
from diffusers_attnmask.ground.drawing import Look
from diffusers_attnmask.ground.pictures import read_image
from tests.small_models import picture, sd15

SPACE = Path(hub_cards.__file__).with_name("space")
ASKED = Asked("a dog and a plane", ["dog", "aeroplane=plane,jet"], "daam", steps=2, seed=3)


@pytest.fixture(scope="module")
def studio():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    pipe.set_progress_bar_config(disable=True)
    return Studio(pipe)


@pytest.fixture(scope="module")
def view(studio):
    return studio.sample(ASKED)


def test_a_prompt_becomes_a_picture_with_masks_and_maps(studio, view):
    assert view.image.size == (128, 128) and view.ids.shape == (128, 128)
    assert view.classes == ["dog", "aeroplane"] and view.seed == 3
    assert len(view.maps()) == 2
    again = studio.sample(ASKED)
    assert np.array_equal(np.asarray(view.image), np.asarray(again.image))


def test_steps_are_told_and_whoever_asked_can_stop(studio):
    told = []
    studio.sample(ASKED, Watch(lambda done, total: told.append((done, total))))
    assert told == [(1, 2), (2, 2)]
    halts = Halts()
    own, others = halts.begin(None), halts.begin(None)
    studio.sample(ASKED, Watch(lambda done, total: halts.stop(others), own))
    with pytest.raises(Stopped, match="stopped after 2 of 2 steps"):
        studio.sample(ASKED, Watch(lambda done, total: halts.stop(own), own))
    halts.stop(None)  # nothing was begun
    again = pickle.loads(pickle.dumps(own))  # as a process on a lent GPU sees it
    assert again.called and not halts.begin(again).called


def test_a_second_sampling_of_the_same_person_ends_with_the_first():
    halts = Halts()
    first = halts.begin(None)
    assert halts.begin(first) is first
    first.call()
    assert not halts.begin(first).called


def test_each_class_says_how_surely_it_is_in_the_picture(view):
    assert [own.rpartition(" ")[0] for own in view.labels] == view.classes
    assert all(0 <= own <= 1 for own in view.presence)
    assert [label for _, label in view.maps()] == view.labels
    told = replace(view, presence=(0.93, 0.12))
    assert told.labels == ["dog 0.93", "aeroplane 0.12"]
    assert "by presence from 0 to 1: aeroplane (0.12). What is painted as it may" in told.absence()
    assert replace(view, presence=(0.93, 0.51)).absence() == ""
    assert (
        "dog (0.10), aeroplane (0.20). What is painted as them"
        in replace(view, presence=(0.1, 0.2)).absence()
    )


def test_a_question_is_answered_on_a_lent_gpu_where_there_is_one(monkeypatch, studio, view):
    lent = []
    spaces = SimpleNamespace(GPU=lambda ask, duration: lent.append((ask, duration)) or ask)
    monkeypatch.setitem(sys.modules, "spaces", spaces)
    assert on_lent_gpu(studio.sample) == studio.sample and lent == [(studio.sample, 120)]
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert on_lent_gpu(studio.sample) == studio.sample and len(lent) == 1
    back = pickle.loads(pickle.dumps(view))  # as it comes from there
    assert np.array_equal(back.ids, view.ids) and back.labels == view.labels


def test_another_threshold_cuts_the_maps_anew_without_the_model(view):
    assert view.recut(0) is view
    strength = view.heatmaps.max(0).values.numpy()
    for threshold in (0.2, 0.8):
        assert np.array_equal(view.recut(threshold).ids > 0, strength >= threshold)


def test_a_class_that_is_switched_off_is_not_shown(view):
    cut = view.recut(0.3)
    alone = cut.showing(["aeroplane"])
    assert set(np.unique(alone.ids)) <= {0, 2}
    assert np.array_equal(alone.ids == 2, cut.ids == 2)


def test_a_small_picture_is_enlarged_without_blur(view):
    small = picture(size=100)
    assert np.array_equal(np.asarray(enlarged(small))[::6, ::6], np.asarray(small))
    assert view.overlay().width == 512


def test_mask_overlay_and_facts_can_be_taken_away(view, tmp_path):
    mask, overlay, about = view.write(tmp_path, Look(palette="voc"))
    assert np.array_equal(np.asarray(Image.open(mask)), view.ids)
    assert Image.open(overlay).width == 128
    known = json.loads(Path(about).read_text())
    assert known["prompt"] == ASKED.prompt and known["seed"] == 3
    assert sum(known["coverage"].values()) <= 1
    assert known["presence"] == dict(zip(view.classes, view.presence, strict=True))


def test_methods_are_compared_on_one_sampling(studio):
    views = studio.compare(ASKED, ["daam", "diffumask"])
    assert list(views) == ["daam", "diffumask"]
    assert np.array_equal(np.asarray(views["daam"].image), np.asarray(views["diffumask"].image))
    alone = studio.sample(Asked(**{**vars(ASKED), "method": "diffumask"}))
    assert np.allclose(views["diffumask"].heatmaps, alone.heatmaps, atol=1e-5)


def test_every_word_of_a_prompt_has_a_map(studio):
    view = studio.words(Asked("a red dog, a plane", steps=1))
    assert view.classes == view.labels == ["a", "red", "dog", "plane"] and view.absence() == ""


def test_a_picture_gets_masks_by_the_models_own_method_as_the_commands_read_it(studio, tmp_path):
    lying = Image.Exif()
    lying[0x0112] = 6
    file = tmp_path / "lying.png"
    picture(size=96).convert("RGBA").crop((0, 0, 96, 64)).save(file, exif=lying)
    shown = studio.picture(str(file), Asked("a dog", ["dog"], seed=None), 0.5, 2)
    assert shown.ids.shape == (96, 64) and np.array_equal(np.asarray(shown.image), read_image(file))
    assert 0 <= shown.seed < 2**31, "drawn, and told"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda own: own.sample(Asked(" ", ["dog"])), "Write a prompt first."),
        (lambda own: own.sample(Asked("a dog", [" "])), "Add at least one class: a word of the prompt"),
        (lambda own: own.sample(Asked("a dog", ["horse"], steps=1)), "use the mask method ovam"),
        (
            lambda own: own.sample(Asked("a dog", ["dog"], size=9, steps=1)),
            "multiple of 8, such as 512, not 9",
        ),
        (lambda own: own.compare(ASKED, []), "Choose at least one mask method."),
        (lambda own: own.picture(None, Asked("a dog", ["dog"])), "Choose a picture first."),
        (
            lambda own: own.picture("a.png", Asked("", ["dog"])),
            "Say in a few words what the picture",
        ),
        (lambda own: own.picture("none.png", Asked("a dog", ["dog"])), "There is no picture none.png."),
        (lambda own: 1 / 0, "unexpected here"),
    ],
)
def test_every_mistake_is_a_sentence_and_leaves_what_was_there(studio, ask, words):
    said, *kept = answered(lambda: (ask(studio),), ("as before",))
    assert kept == ["as before"]
    assert re.fullmatch(r'<p class="mistake" role="alert">[A-Z&].*\.</p>', said) and words in said, said


def test_a_mistake_with_markup_is_text():
    def ask():
        raise ValueError("no class <script>")

    assert "&lt;script&gt;" in answered(ask, ())[0]


def test_classes_are_read_as_typed():
    assert named_classes(["dog", " aeroplane=airplane,jet "]) == ["dog", ("aeroplane", ["airplane", "jet"])]


def test_the_space_has_a_card_an_entry_and_its_requirements():
    card = SpaceCard.load(SPACE / "README.md")
    assert card.data.sdk == "gradio" and (SPACE / card.data.app_file).is_file()
    needed = ("title", "emoji", "colorFrom", "colorTo", "sdk_version", "python_version", "license")
    assert all(card.data.get(name) for name in needed)
    assert len(card.data.short_description) <= 60
    assert yaml.safe_load((SPACE / "requirements.txt").read_text()) == "diffusers-attnmask[app]"
    compile((SPACE / "app.py").read_text(), "app.py", "exec")
