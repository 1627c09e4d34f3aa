"""Pictures keep ids and sizes, show every class in its colour, and say what colours mean."""

import time

import numpy as np
import pytest
from PIL import Image, ImageFont

from diffusers_attnmask.ground.drawing import contact_sheet, heatmap_picture, mask_picture, overlay
from diffusers_attnmask.ground.heat import SCALE, heat_bar, heat_picture
from diffusers_attnmask.ground.legend import entries_of, fitted
from diffusers_attnmask.ground.palette import SAFE_PALETTE, VOC_PALETTE


def test_the_palette_is_that_of_voc():
    assert len(VOC_PALETTE) == len(set(VOC_PALETTE)) == 256
    assert VOC_PALETTE[:4] == ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0))
    assert VOC_PALETTE[15] == (192, 128, 128)  # person
    assert VOC_PALETTE[255] == (224, 224, 192)  # the border in VOC's own masks


def test_a_mask_keeps_its_ids_through_a_file(tmp_path):
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    mask_picture(ids).save(tmp_path / "mask.png")
    read = Image.open(tmp_path / "mask.png")
    assert read.mode == "P"
    assert np.array_equal(np.asarray(read), ids)
    assert read.convert("RGB").getpixel((1, 0)) == SAFE_PALETTE[1]


@pytest.fixture
def image() -> Image.Image:
    return Image.new("RGB", (60, 40), (100, 100, 100))


@pytest.fixture
def ids() -> np.ndarray:
    ids = np.zeros((20, 30), np.uint8)
    ids[:10] = 1
    ids[15:, :5] = 255
    return ids


def test_an_overlay_fills_and_outlines_classes_alone_and_lists_them_beneath(image, ids):
    picture = overlay(image, ids, ["background", "dog"], opacity=0.5)
    assert picture.width == 60
    assert picture.height > 40
    red, green, blue = SAFE_PALETTE[1]
    assert picture.getpixel((50, 10)) == tuple(round((100 + own) / 2) for own in (red, green, blue))
    assert picture.getpixel((50, 19)) == (red, green, blue), "the outline, in full colour"
    assert picture.getpixel((50, 20)) == picture.getpixel((50, 30)) == (100, 100, 100)
    assert {SAFE_PALETTE[1], SAFE_PALETTE[255]} <= colours_below(picture, 40)
    assert overlay(image, ids, ["background", "dog"], legend=False).size == (60, 40)


def colours_below(picture: Image.Image, top: int) -> set:
    return {own for _, own in picture.crop((0, top, picture.width, picture.height)).getcolors(10**4)}


def test_the_first_class_is_shown_where_there_is_no_background(image, ids):
    picture = overlay(image, ids, ["road", "sky"], opacity=0.5)
    assert picture.getpixel((50, 30)) == (50, 50, 50)
    assert {SAFE_PALETTE[0], SAFE_PALETTE[1]} <= colours_below(picture, 40)


def test_the_palette_is_an_option(image, ids):
    names = ["background", "dog"]
    assert overlay(image, ids, names, palette="voc").getpixel((50, 19)) == VOC_PALETTE[1]
    assert overlay(image, ids, names, palette=[(9, 8, 7)] * 256).getpixel((50, 19)) == (9, 8, 7)
    with pytest.raises(ValueError, match="palette 'loud': there are safe, voc"):
        overlay(image, ids, names, palette="loud")
    with pytest.raises(ValueError, match=r"opacity is in \[0, 1\], not 2"):
        overlay(image, ids, names, opacity=2)


def test_a_legend_of_many_classes_lists_those_that_are_shown():
    names = ["background", *(f"class {number}" for number in range(80))]
    assert [name for name, _ in entries_of(names, {0, 3, 7}, SAFE_PALETTE)] == ["class 2", "class 6"]


def test_a_legend_of_many_long_names_stays_within_the_picture():
    names = ["background", *(f"a class with a long name {index}" for index in range(12))]
    picture = overlay(Image.new("RGB", (128, 128)), np.zeros((128, 128), np.uint8), names)
    assert picture.width == 128
    assert picture.height > 128 + 12 * 10


def test_a_map_stands_beside_its_image_or_over_it_and_always_beside_the_scale():
    heatmap, red = np.full((4, 4), 0.25), Image.new("RGB", (80, 60), (255, 0, 0))
    own = tuple(heat_picture(heatmap).getpixel((0, 0)))
    bar = heat_bar(60)
    picture = heatmap_picture(heatmap, red)
    assert picture.size == (160 + bar.width, 60)
    assert picture.getpixel((40, 30)) == (255, 0, 0) and picture.getpixel((120, 30)) == own
    over = heatmap_picture(heatmap, red, over=True, opacity=0.5)
    assert over.size == (80 + bar.width, 60)
    assert np.abs(np.array(over.getpixel((40, 30))) - (np.array(own) + np.array([255, 0, 0])) / 2).max() <= 1
    assert bar.getpixel((8, 0)) == tuple(SCALE[255]) and bar.getpixel((8, 59)) == tuple(SCALE[0])


def test_a_caption_of_ten_thousand_words_is_cut_at_once():
    font = ImageFont.load_default()
    text = "a red star and a blue fish " * 2000
    cut = fitted(text, font, 128)
    assert cut.endswith("…") and text.startswith(cut[:-1])
    assert font.getlength(cut) <= 128 < font.getlength(f"{text[: len(cut)]}…")
    assert fitted("short", font, 128) == "short"
    before = time.monotonic()
    contact_sheet([Image.new("RGB", (128, 128))] * 8, captions=[text] * 8)
    assert time.monotonic() - before < 10


def test_a_contact_sheet_holds_every_picture():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    pictures = [Image.new("RGB", (20, 10 + index), colour) for index, colour in enumerate(colours)]
    sheet = contact_sheet(pictures, captions=["one", "two", "a caption that is far too long"])
    assert set(colours) <= {colour for _, colour in sheet.getcolors(10**4)}
    assert sheet.width < 3 * 20
    with pytest.raises(ValueError, match="picture"):
        contact_sheet([])
