"""Pictures come back as they were written, and what cannot be read is named."""

from __future__ import annotations

import ast
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from diffusers_attnmask.ground.damage import DamagedFile
from diffusers_attnmask.ground.drawing import mask_picture
from diffusers_attnmask.ground.pictures import (
    FORMATS,
    encoded,
    mask_ids,
    opened,
    read_image,
    read_mask,
    rgb_pixels,
    upright_size,
    write_picture,
)

ROOT = Path(__file__).parents[3]
PACKAGES = ("diffusers_attnmask", "train_segmenter", "dataset_builder", "tiny_world", "hub_cards")

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
IDS = np.array([[0, 1, 255], [7, 0, 2]], np.uint8)


def test_a_png_keeps_every_pixel(tmp_path):
    write_picture(PIXELS, tmp_path / "new" / "image.png")
    write_picture(IDS, tmp_path / "mask.png")
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "image.png"), PIXELS)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), IDS)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_a_lower_quality_takes_less_room(kind):
    assert len(encoded(PIXELS, kind, quality=20)) < len(encoded(PIXELS, kind, quality=95))
    assert opened(encoded(PIXELS, kind), "a picture").format == kind.upper()


def test_pixels_and_pictures_are_encoded_alike():
    assert encoded(PIXELS) == encoded(Image.fromarray(PIXELS))


def test_an_image_without_colour_is_read_as_rgb(tmp_path):
    write_picture(IDS, tmp_path / "grey.png")
    assert read_image(tmp_path / "grey.png").shape == (2, 3, 3)


def test_a_mask_may_have_a_palette_or_more_bits():
    coloured = opened(encoded(mask_picture(IDS)), "a mask")
    assert coloured.mode == "P" and mask_ids(coloured, "a mask").tolist() == IDS.tolist()
    wide = Image.fromarray(IDS.astype(np.int32))
    assert mask_ids(wide, "a mask").dtype == np.uint8
    with pytest.raises(ValueError, match=r"wide\.png holds the id 300; ids go from 0 to 255"):
        mask_ids(Image.fromarray(np.full((2, 2), 300, np.int32)), "wide.png")
    with pytest.raises(ValueError, match=r"x\.png is a colour picture"):
        mask_ids(Image.fromarray(PIXELS), "x.png")


def test_what_is_no_picture_is_named(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"text\.png is not a picture that can be read"):
        read_image(tmp_path / "text.png")
    (tmp_path / "half.png").write_bytes(encoded(PIXELS)[:-40])
    for read in (read_image, read_mask):
        with pytest.raises(ValueError, match=r"half\.png is cut off"):
            read(tmp_path / "half.png")
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none.png")


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded():
    stream = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(stream, "png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"bomb claims 12000×12000 pixels; more than 1,000,000 are not"):
            opened(stream.getvalue(), "bomb", 1_000_000)


def turned(pixels, orientation):
    """A JPEG-like file whose EXIF says how it lies."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, "png", exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_and_masks_are_turned_as_exif_says(orientation):
    content = turned(IDS, orientation)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    picture = opened(content, "a picture")
    assert upright_size(picture) == expected.size
    np.testing.assert_array_equal(mask_ids(picture, "a mask"), np.asarray(expected))
    np.testing.assert_array_equal(rgb_pixels(opened(content, "")), np.asarray(expected.convert("RGB")))


def test_exif_that_cannot_be_read_turns_nothing():
    picture = opened(encoded(PIXELS, "png", exif=b"Exif\0\0no TIFF at all"), "a picture")
    np.testing.assert_array_equal(rgb_pixels(picture), PIXELS)


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_and_not_cut(kind):
    values = np.array([[0, 128, 256, 32768, 65535]], np.uint16)
    grey = rgb_pixels(opened(encoded(Image.fromarray(values), kind), "deep"))
    assert grey[0, :, 0].tolist() == [0, 0, 1, 128, 255] and (grey == grey[..., :1]).all()


def test_the_first_frame_of_an_animation_is_read():
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    for kind in ("gif", "png", "webp", "tiff"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert abs(rgb_pixels(opened(content, kind)).astype(int) - (255, 0, 0)).max() < 8, kind


def test_transparent_palettes_lie_on_white():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 40, 50, 60])
    picture.putpixel((1, 0), 1)
    content = encoded(picture, "png", transparency=0)
    assert rgb_pixels(opened(content, "")).tolist() == [[[255, 255, 255], [40, 50, 60]]]


@pytest.mark.parametrize(
    ("picture", "complaint"),
    [
        (Image.new("F", (2, 2)), r"p\.tif holds fractions"),
        (Image.fromarray(np.full((2, 2), 70_000, np.int32)), r"p\.tif holds values from 70000 to 70000"),
    ],
)
def test_pictures_without_colours_are_refused(picture, complaint):
    with pytest.raises(ValueError, match=complaint):
        rgb_pixels(opened(encoded(picture, "tiff"), "p.tif"), "p.tif")


def test_masks_of_fractions_are_refused():
    with pytest.raises(ValueError, match=r"m\.tif holds fractions"):
        mask_ids(Image.fromarray(np.full((2, 2), 0.7, np.float32)), "m.tif")
    with pytest.raises(ValueError, match=r"m\.tif holds the id -1; ids go from 0"):
        mask_ids(Image.fromarray(np.full((2, 2), -1, np.int32)), "m.tif")


def test_a_picture_that_would_be_drawn_by_another_program_is_no_picture():
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "EPS")  # Pillow opens it, and has Ghostscript run it
    with pytest.raises(DamagedFile, match=r"page\.png is not a picture that can be read: no PNG"):
        opened(stream.getvalue(), "page.png")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", FORMATS)
def test_files_damaged_anywhere_are_read_or_refused_by_name(kind):
    """Half of them cut, half with bytes changed; Pillow's warnings are not heard."""
    rng = np.random.default_rng(5)
    whole = encoded(PIXELS, kind)
    for turn in range(200):
        content = np.frombuffer(whole, np.uint8).copy()
        if turn % 2:
            content = content[: rng.integers(len(content))]
        else:
            content[rng.integers(len(content), size=3)] = rng.integers(256, size=3)
        try:
            assert rgb_pixels(opened(content.tobytes(), "x.png", 2**20), "x.png").dtype == np.uint8
        except ValueError as refusal:
            assert str(refusal).startswith("x.png ") and "\n" not in str(refusal)


def test_nothing_else_opens_pictures():
    openers = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "Image.open"
    }
    assert openers == {"diffusers_attnmask/ground/pictures.py"}
