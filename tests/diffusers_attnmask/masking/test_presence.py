"""Words that are not in the picture: told, and left out where that is wanted."""

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, bundled_model, trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.masking import presence as absent_classes
from diffusers_attnmask.masking.presence import least_presence, mask_of_present
from diffusers_attnmask.methods import METHODS, Daam
from tests.small_models import sd15

CLASSES = ["dog", "star"]  # of which the tiny world knows the second


@pytest.fixture(scope="module")
def pipe():
    pipe = DiffuMaskPipeline.from_pretrained(bundled_model())
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture
def warnings(monkeypatch):
    """What is said of absent classes."""
    told = []
    monkeypatch.setattr(absent_classes.logger, "warning", told.append)
    return told


def sampled(pipe, **options):
    generator = torch.Generator().manual_seed(0)
    return pipe(
        "a photo of a red star on sand",
        classes=CLASSES,
        mask_method="ovam",
        num_inference_steps=10,
        generator=generator,
        output_type="np",
        **options,
    )


def test_a_word_for_nothing_in_the_picture_is_told_and_left_out(pipe, warnings):
    plain = sampled(pipe)
    (presence,) = plain.presence
    assert presence.dtype == torch.float32 and presence.shape == (2,)
    dog, star = presence.tolist()
    assert dog < 0.5 < star
    (line,) = warnings
    assert "'dog' in image 0" in line and "'star'" not in line and "drop_absent=True" in line
    assert set(np.unique(plain.masks[0])) == {0, 1, 2}, "without the option, both are painted"

    dropped = sampled(pipe, drop_absent=True)
    quiet = sampled(pipe, drop_absent=False)
    assert len(warnings) == 1, "who chose is not told"
    for own in (dropped, quiet):
        assert np.array_equal(own.images, plain.images)
        assert torch.equal(own.heatmaps[0], plain.heatmaps[0]) and torch.equal(own.presence[0], presence)
    assert np.array_equal(quiet.masks, plain.masks)
    method = pipe.mask_settings.resolve("ovam", check_supported(pipe))
    alone = method.mask(plain.heatmaps[0][1:], ["background", "star"]).numpy()
    assert np.array_equal(dropped.masks[0], np.where(alone == 1, 2, 0)), "a class keeps its id"


def test_an_existing_picture_is_asked_the_same(pipe, warnings):
    picture = sampled(pipe, drop_absent=False).images[0]
    found = pipe.segment(picture, "a photo of a star and a dog", CLASSES, output_type="np", drop_absent=True)
    dog, star = found.presence[0].tolist()
    assert dog < 0.5 < star and set(np.unique(found.masks[0])) <= {0, 2, 255}
    assert not warnings
    pipe.segment(picture, "a photo of a star and a dog", CLASSES)
    assert len(warnings) == 1 and "'dog' in image 0" in warnings[0]


def test_every_method_tells_the_presence_of_every_class():
    pipe = sd15()
    pipe.set_progress_bar_config(disable=True)
    methods = [name for name in METHODS if name != "concept-attention"]
    with trace(pipe, classes=["dog", "cat"], methods=methods) as traced:
        pipe(["a dog and a cat"] * 2, num_inference_steps=2)
    for name in methods:
        for own in traced.presence(name):
            assert own.shape == (2,) and ((own >= 0) & (own <= 1)).all(), name
    assert torch.equal(traced.presence()[0], traced.presence(methods[0])[0])


def test_classes_below_the_bound_are_no_part_of_the_mask():
    maps = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    names, presence = ["background", "a", "b", "c"], torch.tensor([0.2, 0.9, 0.6])
    method = Daam(threshold=0.3)
    assert torch.equal(mask_of_present(method, maps, names, presence, 0.0), method.mask(maps, names))
    found = mask_of_present(method, maps, names, presence, 0.5)
    alone = method.mask(maps[1:], ["background", "b", "c"])
    assert torch.equal(found, torch.where(alone > 0, alone + 1, 0))
    assert not mask_of_present(method, maps, names, presence, 0.95).any()
    assert [least_presence(own) for own in (None, False, True, 0.3, 1)] == [0.0, 0.0, 0.5, 0.3, 1.0]


def test_many_absent_classes_are_told_in_one_line(warnings):
    names = [["background", "a", "b"], ["background", "a", "b"]]
    absent_classes.warn_of_absent([torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4])], names)
    (line,) = warnings
    assert "'a' in image 0 (0.10), 'b' in image 0 (0.20), 'a' in image 1 (0.30) and 1 more" in line
