"""Latents of pictures that training sees again and again, encoded once."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

KEY_SEED = 0  # of the weights that make keys: any will do


class LatentCache:
    """Latents by the content of their picture, up to a number of megabytes; a full cache keeps what it has.

    What is missing is encoded `together` at a time, the last ones filled up: always as many, so that a latent
    does not depend on how many others were missing, and training resumes to the bit.
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], megabytes: int, together: int = 1) -> None:
        self.encode, self.together = encode, together
        self.room = megabytes * 10**6
        self.latents: dict[Hashable, Tensor] = {}
        self.weights: dict[Hashable, Tensor] = {}

    def __call__(self, pictures: Tensor) -> Tensor:
        """Latents (B, C, h, w) of pictures (B, 3, H, W)."""
        keys = self.keys(pictures)
        first = {key: index for index, key in reversed(list(enumerate(keys)))}
        missing = [key for key in dict.fromkeys(keys) if key not in self.latents]
        fresh = dict(zip(missing, self._encoded(pictures, [first[key] for key in missing]), strict=True))
        for key, latent in fresh.items():
            if latent.nbytes <= self.room:
                self.room -= latent.nbytes
                self.latents[key] = latent
        return torch.stack([fresh[key] if key in fresh else self.latents[key] for key in keys])

    def keys(self, pictures: Tensor) -> list[Hashable]:
        """A key for each picture's content: two sums of its bits with random weights, modulo 2^64.

        They are summed where the pictures are, and the pictures stay there. Two that differ have equal keys
        with a probability below 2^-64 (multilinear hashing).
        """
        bits = pictures.float().contiguous().view(torch.int32).flatten(1)  # (B, N)
        place = (bits.shape[1], bits.device)
        if place not in self.weights:
            generator = torch.Generator().manual_seed(KEY_SEED)
            low, high = torch.iinfo(torch.int64).min, torch.iinfo(torch.int64).max
            weights = torch.randint(low, high, (2, bits.shape[1]), generator=generator)
            self.weights[place] = weights.to(bits.device)
        sums = torch.stack([(self.weights[place] * own).sum(dim=1) for own in bits])  # (B, 2)
        return [(*pictures.shape[1:], *pair) for pair in sums.tolist()]

    def _encoded(self, pictures: Tensor, indices: list[int]) -> list[Tensor]:
        """Latents (C, h, w) of some of the pictures."""
        together = min(self.together, len(pictures))
        latents: list[Tensor] = []
        for start in range(0, len(indices), together):
            part = indices[start : start + together]
            filled = part + part[-1:] * (together - len(part))
            batch = torch.cat([pictures[index : index + 1] for index in filled])
            # cloned: a part of a batch would keep all of it
            latents += [latent.clone() for latent in self.encode(batch)[: len(part)]]
        return latents
