"""A dataset may hold a small picture of each pair, which follows its mask; the masks stay ids."""

from __future__ import annotations

import io

import datasets
import numpy as np
import pytest
from PIL import Image

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.augmentation.run import AugmentRun, augment_dataset
from dataset_builder.building.run import EngineOptions, build
from dataset_builder.hub.card import write_card
from dataset_builder.preview import LONGEST, preview_cell
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.refinement.run import RefineRun, refine_dataset
from diffusers_attnmask.ground.palette import SAFE_PALETTE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("previews") / "shapes"
    recipe = Recipe("tiny-world", pairs=4, preview=True, maps=True, sampling=SamplingOptions(batch_size=4))
    build(recipe, folder, EngineOptions(workers=0), make_sampler=PaintedSampler(side=32), show_progress=False)
    write_card(folder)
    return folder


def opened(cell):
    return Image.open(io.BytesIO(cell["bytes"])).convert("RGB")


def test_a_preview_shows_the_mask_in_colours_over_the_image():
    pixels = np.full((300, 600, 3), 100, np.uint8)
    ids = np.zeros((300, 600), np.uint8)
    ids[:, :300] = 1
    picture = opened(preview_cell(pixels, ids, ["background", "star"]))
    assert picture.width == LONGEST and picture.height > 128, "with a legend"
    expected = 100 + 0.4 * (np.array(SAFE_PALETTE[1]) - 100)
    assert np.abs(np.array(picture.getpixel((40, 60))) - expected).max() < 12
    assert np.abs(np.array(picture.getpixel((200, 60))) - 100).max() < 12


def test_a_build_keeps_previews_beside_masks_of_ids(folder):
    pairs = datasets.load_dataset(str(folder), split="train")
    for pair in pairs:
        assert pair["mask"].mode == "L" and set(np.unique(np.asarray(pair["mask"]))) <= {*range(9), 255}
        assert pair["preview"].width == 32 and len(pair["preview"].convert("RGB").getcolors(10**5)) > 8
    assert "| `preview` | the image under its mask" in (folder / "README.md").read_text()


def test_a_refined_mask_gets_another_preview_and_an_augmented_pair_none(folder, tmp_path):
    refine_dataset(folder, tmp_path / "refined", RefineRun(method="crf"))
    refined = datasets.load_dataset(str(tmp_path / "refined"), split="train")
    undecoded = refined.cast_column("preview", datasets.Image(decode=False))
    for pair, raw in zip(refined, undecoded, strict=True):
        names = refined.features["classes"].feature.names
        expected = preview_cell(np.asarray(pair["image"]), np.asarray(pair["mask"]), names)
        assert raw["preview"]["bytes"] == expected["bytes"]
    augment_dataset(folder, tmp_path / "more", AugmentRun())
    assert "preview" not in datasets.load_dataset(str(tmp_path / "more"), split="train").column_names
