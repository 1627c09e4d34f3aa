"""Pictures keep ids and sizes, and the palette is VOC's."""

import time

import numpy as np
import pytest
from PIL import Image, ImageFont

from diffusers_attnmask.ground.drawing import contact_sheet, fitted, heatmap_picture, mask_picture, overlay
from diffusers_attnmask.ground.palette import VOC_PALETTE


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
    assert read.convert("RGB").getpixel((1, 0)) == (128, 0, 0)


def test_an_overlay_colours_classes_alone_and_lists_them_beneath():
    image = Image.new("RGB", (60, 40), (100, 100, 100))
    ids = np.zeros((20, 30), np.uint8)
    ids[:10] = 1
    ids[15:, :5] = 255
    picture = overlay(image, ids, ["background", "dog"], alpha=0.5)
    assert picture.width == 60
    assert picture.height > 40
    assert picture.getpixel((50, 10)) == (114, 50, 50)
    assert picture.getpixel((50, 30)) == (100, 100, 100)
    colours = {colour for _, colour in picture.crop((0, 40, 60, picture.height)).getcolors(10**4)}
    assert {VOC_PALETTE[1], VOC_PALETTE[255]} <= colours
    assert overlay(image, ids, ["background", "dog"], legend=False).size == (60, 40)


def test_a_legend_of_many_long_names_stays_within_the_picture():
    names = ["background", *(f"a class with a long name {index}" for index in range(12))]
    picture = overlay(Image.new("RGB", (128, 128)), np.zeros((128, 128), np.uint8), names)
    assert picture.width == 128
    assert picture.height > 128 + 12 * 10


def test_heat_runs_from_cold_to_warm():
    picture = heatmap_picture(np.linspace(0, 1, 100, dtype=np.float32)[None])
    (cold, warm) = picture.getpixel((0, 0)), picture.getpixel((99, 0))
    assert cold[2] > cold[0]
    assert warm[0] > warm[2]
    assert heatmap_picture(np.zeros((4, 4)), Image.new("RGB", (8, 6))).size == (8, 6)


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
