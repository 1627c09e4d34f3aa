"""Latents of pictures that training sees again and again, encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor


class LatentCache:
    """Latents by the content of their picture, up to a number of megabytes.

    Pictures are encoded one by one, so that a latent does not depend on what else was in its batch: training
    resumes to the bit. A full cache keeps what it has.
    """

    def __init__(self, encode: Callable[[Tensor], Tensor], megabytes: int) -> None:
        self.encode = encode
        self.room = megabytes * 10**6
        self.latents: dict[bytes, Tensor] = {}

    def __call__(self, pictures: Tensor) -> Tensor:
        """Latents (B, C, h, w) of pictures (B, 3, H, W)."""
        return torch.cat([self._latent(picture[None]) for picture in pictures])

    def _latent(self, picture: Tensor) -> Tensor:
        content = picture.detach().cpu().contiguous().numpy()
        key = hashlib.blake2b(content.tobytes(), digest_size=16, key=repr(content.shape).encode()).digest()
        if key not in self.latents:
            latent = self.encode(picture)
            if latent.nbytes > self.room:
                return latent
            self.room -= latent.nbytes
            self.latents[key] = latent
        return self.latents[key]
