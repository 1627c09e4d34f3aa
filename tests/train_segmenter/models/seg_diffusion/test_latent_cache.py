"""A latent is encoded once, whatever batch its picture comes in."""

import torch

from train_segmenter.models.seg_diffusion.latent_cache import LatentCache


def counting(calls):
    def encode(pictures):
        calls.append(len(pictures))
        return pictures[:, :1, ::2, ::2] + 1

    return encode


def test_a_picture_is_encoded_once_and_alone():
    calls = []
    cache = LatentCache(counting(calls), megabytes=1)
    pictures = torch.rand(3, 3, 4, 4)
    first = cache(pictures)
    torch.testing.assert_close(first, pictures[:, :1, ::2, ::2] + 1)
    again = cache(pictures.flip(0).to(memory_format=torch.channels_last))
    assert calls == [1, 1, 1] and torch.equal(again, first.flip(0))


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
