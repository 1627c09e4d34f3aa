"""Random draws that are functions of a key alone, so that any prompt of a plan can be made by itself."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from random import Random

ROUNDS = 4  # of the Feistel network; four make it indistinguishable from a random permutation


def generator(*key: object) -> Random:
    """Draws of their own for every key, the same on every machine."""
    return Random("/".join(map(str, key)))


def weighted(rng: Random, weights: Sequence[float]) -> int:
    """An index, drawn in proportion to its weight."""
    return rng.choices(range(len(weights)), weights)[0]


def shuffled(position: int, size: int, *key: object) -> int:
    """Place `position` of an endless sequence in which each `size` items are a new permutation.

    A Feistel network permutes the next power of four; places beyond `size` are walked on until they fall
    inside (Black & Rogaway, CT-RSA 2002). So nothing of the permutation is stored.
    """
    turn, place = divmod(position, size)
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    while True:
        left, right = divmod(place, 1 << half)
        for step in range(ROUNDS):
            left, right = right, left ^ _noise(half, *key, turn, step, right)
        place = left << half | right
        if place < size:
            return place


def _noise(bits: int, *key: object) -> int:
    digest = blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") & ((1 << bits) - 1)
