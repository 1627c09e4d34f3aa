"""Pictures of every kind become RGB, upright and of the right size; others are refused with a remedy."""

import numpy as np
import pytest
import torch
from PIL import Image

from diffusers_attnmask.ground.images import padded, resized_to, rgb_images

RED = (255, 0, 0)


def only(image):
    (pixels,) = rgb_images(image)
    return pixels


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_of_pil_is_read(mode):
    deep = Image.new("I;16", (5, 3), 65535)
    white = deep if mode == "I;16" else Image.new("RGB", (5, 3), "white").convert(mode)
    pixels = only(white)
    assert pixels.shape == (3, 3, 5) and pixels.dtype == torch.float32
    torch.testing.assert_close(pixels, torch.ones(3, 3, 5))


def test_what_is_transparent_is_white():
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (*RED, 255))
    assert only(image)[:, 0].T.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_picture_is_turned_as_its_exif_says():
    image = Image.new("RGB", (4, 2))
    image.putpixel((0, 0), RED)
    exif = image.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    image.info["exif"] = exif.tobytes()
    pixels = only(image)
    assert pixels.shape == (3, 4, 2) and pixels[0, 0, 1] == 1


def test_arrays_and_tensors_of_all_shapes_are_the_same_picture():
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    expected = only(Image.fromarray(values))
    for same in (values, values / 255, torch.from_numpy(values / 255).permute(2, 0, 1)):
        torch.testing.assert_close(only(same), expected)
    grey = values[..., 0]
    for same in (
        grey,
        grey[..., None],
        grey / 255,
        (grey / 255)[..., None],
        torch.from_numpy(grey / 255)[None],
    ):
        torch.testing.assert_close(only(same), expected[:1].expand(3, -1, -1))
    opaque = np.dstack([values, np.full((4, 6), 255, np.uint8)])
    torch.testing.assert_close(only(opaque), expected)
    torch.testing.assert_close(only(opaque / 255), expected)
    assert [each.shape for each in rgb_images(np.stack([values, values]))] == [(3, 4, 6)] * 2
    assert [each.shape for each in rgb_images([values, grey])] == [(3, 4, 6)] * 2


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ("photo.jpg", TypeError, "a PIL picture, an array or a tensor, not str"),
        ([], ValueError, "no image"),
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"not \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"not \(0, 4, 3\)"),
        (np.zeros((4, 4), np.int64), ValueError, "int64: convert it"),
        (np.full((4, 4, 3), 255.0), ValueError, r"from 255 to 255: rescale"),
        (torch.full((3, 4, 4), -1.0), ValueError, "from -1 to -1"),
        (torch.zeros(4, 4, 3), ValueError, r"not \(4, 4, 3\)"),
    ],
)
def test_what_is_no_image_is_named(image, error, message):
    with pytest.raises(error, match=message):
        rgb_images(image)


def test_the_longer_side_is_resized_and_no_side_vanishes():
    assert resized_to(torch.rand(3, 40, 80), 20).shape == (3, 10, 20)
    assert resized_to(torch.rand(3, 1, 1000), 100).shape == (3, 1, 100)
    assert resized_to(torch.rand(3, 5, 7), 0).shape == (3, 5, 7)


def test_padding_repeats_the_border():
    pixels = torch.rand(3, 5, 8)
    wide = padded(pixels, 8)
    assert wide.shape == (3, 8, 8)
    assert torch.equal(wide[:, :5], pixels)
    assert torch.equal(wide[:, 7], pixels[:, 4])
