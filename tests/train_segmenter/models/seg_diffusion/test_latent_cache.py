"""A latent is encoded once, whatever batch its picture comes in."""

import pytest
import torch

from train_segmenter.models.seg_diffusion.latent_cache import LatentCache


def counting(calls):
    def encode(pictures):
        calls.append(len(pictures))
        return pictures[:, :1, ::2, ::2] + 1

    return encode


@pytest.mark.parametrize(("together", "expected"), [(1, [1, 1, 1]), (2, [2, 2]), (8, [3])])
def test_a_picture_is_encoded_once_with_as_many_others_as_ever(together, expected):
    calls = []
    cache = LatentCache(counting(calls), megabytes=1, together=together)
    pictures = torch.rand(3, 3, 4, 4)
    first = cache(pictures)
    torch.testing.assert_close(first, pictures[:, :1, ::2, ::2] + 1)
    again = cache(pictures.flip(0).to(memory_format=torch.channels_last))
    assert calls == expected and torch.equal(again, first.flip(0))


def test_what_is_missing_is_filled_up_to_the_same_number():
    calls = []
    cache = LatentCache(counting(calls), megabytes=1, together=4)
    pictures = torch.rand(6, 3, 4, 4)
    cache(pictures[:4])
    torch.testing.assert_close(cache(pictures[2:]), pictures[2:, :1, ::2, ::2] + 1)
    assert calls == [4, 4]


def test_equal_pictures_of_a_batch_are_encoded_once():
    calls = []
    picture = torch.rand(1, 3, 4, 4)
    latents = LatentCache(counting(calls), megabytes=1)(picture.expand(5, -1, -1, -1))
    assert calls == [1] and torch.equal(latents, latents[:1].expand_as(latents))


def test_a_full_cache_keeps_what_it_has_and_goes_on():
    calls = []
    cache = LatentCache(counting(calls), megabytes=1)
    pictures = torch.rand(3, 3, 1200, 800)  # a latent of 600 x 400 float32 is 0.96 megabytes
    for _ in range(2):
        torch.testing.assert_close(cache(pictures), pictures[:, :1, ::2, ::2] + 1)
    assert len(calls) == 5 and len(cache.latents) == 1


def test_pictures_of_equal_bytes_and_other_shapes_are_told_apart():
    cache = LatentCache(counting([]), megabytes=1)
    assert cache(torch.zeros(1, 3, 4, 8)).shape == (1, 1, 2, 4)
    assert cache(torch.zeros(1, 3, 8, 4)).shape == (1, 1, 4, 2)


def test_masks_that_differ_in_few_pixels_have_other_keys():
    """Black and white differ in one bit of each number: sums without weights would be equal."""
    cache = LatentCache(counting([]), megabytes=1)
    pictures = -torch.ones(17, 3, 4, 4)
    for index in range(16):
        pictures[index, :, index // 4, index % 4] = 1
    assert len(set(cache.keys(pictures))) == 17
    assert cache.keys(pictures) == LatentCache(counting([]), megabytes=1).keys(pictures)
