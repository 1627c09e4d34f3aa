"""Pictures come back as they were written, and what cannot be read is named."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from diffusers_attnmask.ground.drawing import mask_picture
from diffusers_attnmask.ground.pictures import encoded, mask_ids, opened, read_image, read_mask, write_picture

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
    with pytest.raises(ValueError, match=r"mask wide\.png holds the id 300; ids go from 0 to 255"):
        mask_ids(Image.fromarray(np.full((2, 2), 300, np.int32)), "wide.png")
    with pytest.raises(ValueError, match=r"mask x\.png is a colour picture"):
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
