"""Masks as grey pictures and back, against the definitions pixel by pixel."""

import pytest
import torch

from diffusers_attnmask.seg_diffusion.encoding import (
    ENCODINGS,
    binary_pictures,
    class_map,
    encoding_named,
    grey_values,
    level_pictures,
    level_shares,
)

IDS = torch.randint(0, 4, (5, 6), generator=torch.Generator().manual_seed(0))
VALUES = torch.rand(5, 6, generator=torch.Generator().manual_seed(1))


def test_a_binary_picture_is_white_inside_and_black_outside():
    pictures = binary_pictures(IDS == 2)
    for row in range(5):
        for column in range(6):
            expected = 1.0 if IDS[row, column] == 2 else -1.0
            assert pictures[:, row, column].tolist() == [expected] * 3


def test_a_level_picture_has_evenly_spaced_greys():
    pictures = level_pictures(IDS, 3)
    for row in range(5):
        for column in range(6):
            expected = [-1, -1 / 3, 1 / 3, 1][int(IDS[row, column])]
            assert pictures[:, row, column].tolist() == pytest.approx([expected] * 3)


def test_a_decoded_picture_is_the_mean_of_its_channels_within_bounds():
    pictures = torch.tensor([-3.0, -1, 0, 1, 2]).view(5, 1, 1, 1) + torch.tensor([-0.3, 0, 0.3]).view(3, 1, 1)
    torch.testing.assert_close(grey_values(pictures).flatten(), torch.tensor([0, 0, 0.5, 1, 1]))


@pytest.mark.parametrize("classes", [1, 3, 254])
def test_what_is_encoded_is_read_back(classes):
    ids = torch.randint(0, classes + 1, (8, 8), generator=torch.Generator().manual_seed(2))
    levels = ENCODINGS["levels"].probabilities(grey_values(level_pictures(ids, classes))[None], classes, 0.5)
    assert torch.equal(class_map(levels).long(), ids)
    own = torch.stack([grey_values(binary_pictures(ids == label)) for label in range(1, classes + 1)])
    assert torch.equal(class_map(ENCODINGS["binary"].probabilities(own, classes, 0.5)).long(), ids)


def test_a_value_between_two_levels_belongs_to_both():
    shares = level_shares(VALUES, 4)
    for row in range(5):
        for column in range(6):
            value = float(VALUES[row, column])
            expected = [max(0.0, 1 - abs(value - level / 4) / 0.25) for level in range(5)]
            assert shares[:, row, column].tolist() == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(shares.sum(dim=0), torch.ones(5, 6))


def test_a_class_must_exceed_the_background():
    values = torch.tensor([[0.4, 0.6, 0.9], [0.3, 0.7, 0.5]]).unsqueeze(1)  # two classes, three pixels
    maps = ENCODINGS["binary"].probabilities(values, 2, 0.65)
    assert class_map(maps).tolist() == [[0, 2, 1]]


def test_levels_ask_once_with_the_mean_of_the_words():
    words = torch.rand(3, 7, 5)
    torch.testing.assert_close(ENCODINGS["levels"].conditions(words)[0], (words[0] + words[1] + words[2]) / 3)
    assert ENCODINGS["binary"].conditions(words) is words


def test_an_unknown_encoding_is_named():
    with pytest.raises(ValueError, match=r"binary, levels, not 'colours'"):
        encoding_named("colours")
