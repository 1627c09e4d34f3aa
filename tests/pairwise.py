"""Pairwise cover: few combinations of switches in which every two values of different switches meet.

Faults come from one value or from two that meet far more often than from three (Kuhn et al., 2004), and the
whole product of many switches is too long to test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

Chosen = dict[str, int]  # the place of each switch's value


def pairwise(switches: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Combinations that hold every pair of values of two switches at least once; the same ones every time.

    Greedy, after AETG (Cohen et al., 1997): each combination starts from the first pair that is still
    missing, and every other switch takes the value that brings most of the missing pairs.
    """
    missing = {
        ((one, i), (other, j)): None  # a dict for its order
        for one, other in combinations(switches, 2)
        for i in range(len(switches[one]))
        for j in range(len(switches[other]))
    }
    found = []
    while missing:
        chosen: Chosen = dict(next(iter(missing)))
        rest = (name for name in switches if name not in chosen)
        for switch in sorted(rest, key=lambda name: -len(switches[name])):
            chosen[switch] = max(
                range(len(switches[switch])),
                key=lambda place: sum(pair in missing for pair in _pairs(chosen | {switch: place}, switches)),
            )
        for pair in _pairs(chosen, switches):
            missing.pop(pair, None)
        found.append({name: values[chosen[name]] for name, values in switches.items()})
    return found


def _pairs(chosen: Chosen, switches: Mapping[str, Sequence[Any]]) -> list[tuple[tuple[str, int], ...]]:
    return list(combinations([(name, chosen[name]) for name in switches if name in chosen], 2))
