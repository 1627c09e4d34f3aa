import colorsys
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np
import pytest
from PIL import Image

import tiny_world
from diffusers_attnmask.ground.legend import MARGIN
from tiny_world.captions import PLACES, full_caption
from tiny_world.rendered_pairs import SPLIT_SEEDS
from tiny_world.renderer import paint
from tiny_world.scene import CAMOUFLAGE, COLOURS, SHARE, Item, Scene, draw_scene
from tiny_world.shapes import SHAPES, silhouette
from tiny_world.textures import BACKGROUNDS


@pytest.fixture(scope="module")
def renders():
    return [tiny_world.render(seed) for seed in range(300)]


@pytest.fixture(scope="module")
def scenes():
    return [draw_scene(np.random.default_rng(seed)) for seed in range(4000)]


def test_a_seed_always_gives_the_same_picture_and_another_seed_another():
    image, mask, caption, names = tiny_world.render(7)
    again = tiny_world.render(7)
    assert (
        np.array_equal(image, again[0]) and np.array_equal(mask, again[1]) and (caption, names) == again[2:]
    )
    assert not np.array_equal(image, tiny_world.render(8)[0])


def test_shapes_types_and_ids(renders):
    for image, mask, _, names in renders:
        assert image.shape == (128, 128, 3) and image.dtype == np.uint8
        assert mask.shape == (128, 128) and mask.dtype == np.uint8
        assert {tiny_world.CLASSES[i - 1] for i in np.unique(mask) if i} == set(names)
        assert 1 <= len(names) == len(set(names)) <= 3


def test_the_caption_names_every_class_and_no_other(renders):
    for _, _, caption, names in renders:
        words = caption.replace(",", " ").split()
        assert {word for word in words if word in tiny_world.CLASSES} == set(names)
        assert (
            not set(words)
            - {*tiny_world.CLASSES, *COLOURS, *PLACES}
            - {"a", "an", "and", "photo", "of", "on", "in", "next", "to"}
        )


def test_captions_vary(renders):
    shapes = Counter()
    for _, _, caption, names in renders:
        coloured = any(colour in caption.split() for colour in COLOURS)
        shapes[("photo" in caption, coloured, caption.startswith(("on ", "in ")), len(names))] += 1
    assert len(shapes) >= 15


def test_a_full_caption_says_every_object_its_colour_and_the_place():
    heart = Item("heart", "orange", "smooth", 40, 40, 20, 0, False)
    star = Item("star", "blue", "smooth", 90, 90, 20, 0, False)
    moon = Item("moon", "red", "smooth", 90, 30, 20, 0, False)
    for background, items, words in (
        ("snow", (heart,), "a photo of an orange heart in snow"),
        ("sand", (star, heart), "a photo of a blue star and an orange heart on sand"),
        ("wood", (star, moon, heart), "a photo of a blue star, a red moon and an orange heart on wood"),
    ):
        assert full_caption(Scene(background, items, (0, -1))) == words


def test_the_mask_is_the_exact_outline():
    """Against the sign of the distance at the pixel centres, evaluated in float64, for lone objects."""
    checked = 0
    for seed in range(60):
        scene = draw_scene(np.random.default_rng(seed))
        if len(scene.items) > 1:
            continue
        item = scene.items[0]
        mask = paint(scene, np.random.default_rng(1))[1]
        y, x = np.mgrid[:128, :128].astype(np.float64)
        dx, dy = (x - item.cx) / item.radius, (y - item.cy) / item.radius
        u = np.cos(item.angle) * dx + np.sin(item.angle) * dy
        v = np.cos(item.angle) * dy - np.sin(item.angle) * dx
        inside = silhouette(SHAPES[item.name][0](-u if item.mirrored else u, v)) < 0
        assert np.mean(inside != (mask > 0)) < 1e-3
        checked += 1
    assert checked > 10


def test_painting_the_object_changes_the_pixels_of_its_mask_and_casts_a_shadow_outside():
    scene = next(s for s in (draw_scene(np.random.default_rng(i)) for i in range(50)) if len(s.items) == 1)
    empty = type(scene)(scene.background, (), scene.light)
    image, mask = paint(scene, np.random.default_rng(3))
    ground, _ = paint(empty, np.random.default_rng(3))
    change = np.abs(image.astype(int) - ground).sum(-1)
    assert np.mean(change[mask > 0] > 10) > 0.95
    assert np.mean(change[mask == 0] > 10) < 0.25


def test_no_object_is_hidden(renders):
    for _, mask, _, names in renders:
        for name in names:
            assert np.mean(mask == tiny_world.CLASSES.index(name) + 1) > 0.02


def test_sizes_lie_in_the_stated_shares_of_the_frame(scenes):
    shares = [(2 * item.radius / 128) ** 2 for scene in scenes for item in scene.items]
    assert min(shares) >= 0.15 - 1e-9 and max(shares) <= 0.60 + 1e-9
    assert np.quantile(shares, 0.9) - np.quantile(shares, 0.1) > 0.15
    assert {len(scene.items) for scene in scenes} == set(SHARE)


@pytest.mark.parametrize("attribute", ["colour", "finish", "background", "side"])
def test_nothing_but_the_shape_tells_the_class(scenes, attribute):
    """Class and attribute are independent: no class takes more than its share of any value (χ² per value)."""
    table = defaultdict(Counter)
    for scene in scenes:
        for item in scene.items:
            side = (item.cx > 64, item.cy > 64)
            value = {
                "colour": item.colour,
                "finish": item.finish,
                "background": scene.background,
                "side": side,
            }
            table[value[attribute]][item.name] += 1
    counts = np.array([[row[name] for name in tiny_world.CLASSES] for row in table.values()], float)
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
    chi2, freedom = ((counts - expected) ** 2 / expected).sum(), (counts.shape[0] - 1) * (counts.shape[1] - 1)
    assert chi2 < freedom + 4 * np.sqrt(2 * freedom)


def test_no_colour_vanishes_into_its_background():
    for background, hidden in CAMOUFLAGE.items():
        ground = BACKGROUNDS[background](np.random.default_rng(0)).mean((0, 1))
        for colour, rgb in COLOURS.items():
            if colour not in hidden:
                assert np.abs(np.array(rgb) - ground).max() > 25, (background, colour)
    assert len({round(colorsys.rgb_to_hsv(*(c / 255 for c in rgb))[0], 2) for rgb in COLOURS.values()}) >= 7


def test_the_dataset_has_the_project_columns_and_its_splits_never_overlap():
    splits = {name: tiny_world.dataset(3, name) for name in ("train", "validation", "test")}
    seeds = [seed for split in splits.values() for seed in split["seed"]]
    assert len(set(seeds)) == 9
    pair = splits["test"][1]
    image, mask, caption, names = tiny_world.render(pair["seed"])
    labels = splits["test"].features["classes"].feature
    assert np.array_equal(np.array(pair["image"]), image) and np.array_equal(np.array(pair["mask"]), mask)
    assert pair["prompt"] == caption and [labels.int2str(i) for i in pair["classes"]] == names
    assert labels.names == ["background", *tiny_world.CLASSES]
    assert tiny_world.dataset(2, "test", start=1)[0]["seed"] == pair["seed"]


def test_an_unknown_split_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'val'.*validation"):
        tiny_world.dataset(1, "val")
    with pytest.raises(ValueError, match="n=0"):
        tiny_world.dataset(0)


def test_the_sheet_shows_scenes_and_their_masks(tmp_path):
    file = tmp_path / "sheet.png"
    subprocess.run([sys.executable, "-m", "tiny_world", file, "--count", "2"], check=True)
    sheet = np.asarray(Image.open(file).convert("RGB"))
    scene = tiny_world.render(SPLIT_SEEDS["test"][0])[0]
    assert np.array_equal(sheet[MARGIN : MARGIN + 128, MARGIN : MARGIN + 128], scene)


@pytest.mark.parametrize("twins", [False, True])
def test_objects_are_what_the_mask_is_made_of(twins):
    sames = 0
    for seed in range(40):
        image, mask, objects, caption, names = tiny_world.render_objects(seed, twins)
        assert objects.dtype == np.uint16 and objects.max() == len(names) <= 3
        classes = np.array([0, *(tiny_world.CLASSES.index(name) + 1 for name in names)])
        assert np.array_equal(classes[objects], mask)
        assert all(caption.split().count(name) == names.count(name) for name in names) or "," in caption
        assert names[0] == names[1] if twins else len(set(names)) == len(names)
        if not twins:
            plain = tiny_world.render(seed)
            assert np.array_equal(image, plain[0]) and np.array_equal(mask, plain[1])
            assert (caption, names) == plain[2:]
        else:
            items = draw_scene(np.random.default_rng(seed), twins=True).items
            sames += items[0].colour == items[1].colour
    assert 8 <= sames <= 32 or not twins
