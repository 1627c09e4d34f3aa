"""`out.instances`: the objects of a pipeline's masks, and nothing else changed by asking for them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, bundled_model, trace
from diffusers_attnmask.ground.ids import IGNORE_ID
from diffusers_attnmask.instances.options import InstanceOptions
from tests.small_models import FAMILIES, sd15
from tests.small_models.transformers import TRANSFORMERS
from tiny_world import render_objects
from tiny_world.rendered_pairs import SPLIT_SEEDS

WAYS = ["components", "attention", InstanceOptions(least_area=0, most_cut=1.0)]


def drawn(pipe, **kwargs):
    generator = torch.Generator().manual_seed(0)
    return pipe(
        "a dog and a cat", classes=["dog", "cat"], num_inference_steps=2, generator=generator, **kwargs
    )


def consistent(out, index):
    """Every pixel of a class belongs to one object of that class."""
    mask, found = out.ids(index), out.instances[index]
    assert found.ids.dtype == np.uint16 and found.ids.shape == mask.shape
    np.testing.assert_array_equal(found.ids > 0, (mask > 0) & (mask != IGNORE_ID))
    for own in found:
        region = found.ids == own.id
        assert (mask[region] == own.class_id).all() and region.sum() == own.area > 0
        assert out.names(index)[own.class_id] == own.name
        assert 0 <= own.score <= 1
    return True


@pytest.mark.parametrize("family", FAMILIES)
def test_asking_for_objects_changes_neither_image_nor_mask(family):
    pipe = DiffuMaskPipeline.from_pipe(FAMILIES[family]())
    plain, *asked = (drawn(pipe, instances=way, mask_method="daam", output_type="np") for way in WAYS)
    for out in asked:
        np.testing.assert_array_equal(out.images, plain.images)
        np.testing.assert_array_equal(out.masks, plain.masks)
    assert all(consistent(out, 0) for out in (plain, *asked))


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_transformers_tell_objects_apart_too(family):
    out = drawn(DiffuMaskPipeline.from_pipe(TRANSFORMERS[family].build()), instances="attention")
    assert consistent(out, 0)


def test_every_image_of_a_batch_has_its_own_objects():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    out = pipe(
        ["a dog", "a cat"],
        classes=[["dog"], ["cat"]],
        num_inference_steps=2,
        instances="attention",
        generator=torch.Generator().manual_seed(0),
    )
    assert len(out.instances) == 2 and consistent(out, 0) and consistent(out, 1)
    assert {own.name for own in out.instances[1]} <= {"cat"}


@pytest.mark.parametrize("way", WAYS)
def test_a_trace_tells_the_objects_of_the_pipeline(way):
    plain = sd15()
    out = drawn(DiffuMaskPipeline.from_pipe(plain), instances=way, mask_method="daam", output_type="np")
    with trace(plain, classes=["dog", "cat"], methods=["ovam", "daam"], instances=way) as traced:
        plain("a dog and a cat", num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    (found,) = traced.instances("daam")
    np.testing.assert_array_equal(found.ids, out.instances[0].ids)
    assert found.found == out.instances[0].found and len(found)
    assert torch.equal(traced.presence("daam")[0], out.presence[0])
    (default,) = traced.instances()
    np.testing.assert_array_equal(default.ids > 0, traced.masks("ovam", output_type="np")[0] > 0)


def test_without_classes_there_are_no_objects():
    assert DiffuMaskPipeline.from_pipe(sd15())("a dog", num_inference_steps=1).instances is None


def test_another_word_is_refused_before_anything_is_drawn():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    with pytest.raises(ValueError, match=r"by must be .*not 'boxes'"):
        drawn(pipe, instances="boxes")


def twins(count):
    """Rendered pictures of two objects of one class that touch."""
    for seed in SPLIT_SEEDS["validation"]:
        image, mask, objects, caption, names = render_objects(seed, twins=True)
        if len(names) == 2 and len(np.unique(mask)) == 2:
            yield image, objects, caption, names
            count -= 1
        if not count:
            return


def test_twins_of_the_tiny_world_come_apart():
    """On pictures by themselves: more of the objects are found than connected parts are."""
    pipe = DiffuMaskPipeline.from_pretrained(bundled_model())
    found = {"components": 0, "attention": 0}
    for image, objects, caption, names in twins(8):
        for way in found:
            out = pipe.segment(
                image, caption, names[:1], instances=way, generator=torch.Generator().manual_seed(0)
            )
            ids = out.instances[0].ids
            assert consistent(out, 0)
            for own in (1, 2):
                overlaps = [
                    ((ids == ours) & (objects == own)).sum() / ((ids == ours) | (objects == own)).sum()
                    for ours in range(1, len(out.instances[0]) + 1)
                ]
                found[way] += max(overlaps) > 0.5
    assert found["attention"] >= 14 > found["components"]


def test_objects_are_told_apart_at_the_size_that_the_picture_is_seen():
    image, _, caption, names = next(iter(twins(1)))
    pipe = DiffuMaskPipeline.from_pretrained(bundled_model())
    padded = np.pad(image, ((0, 12), (0, 0), (0, 0)), mode="edge")
    out = pipe.segment(
        padded, caption, names[:1], processing_res=128, instances="attention", generator=torch.Generator()
    )
    assert out.instances[0].ids.shape == (140, 128) and consistent(out, 0)
