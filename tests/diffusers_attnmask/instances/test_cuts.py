"""Normalised cuts against the published definition, evaluated one cut after the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import eigh

from diffusers_attnmask.instances.cuts import SMALLEST, best_cut, taken_apart


def symmetric(rng, count):
    links = rng.random((count, count)) ** 4
    return links + links.T


def published_cost(links, side):
    """Ncut(A, B) = cut(A, B) / assoc(A, V) + cut(A, B) / assoc(B, V), link by link (Shi and Malik, eq. 2)."""
    cut = whole = other = 0.0
    for i in range(len(links)):
        for j in range(len(links)):
            link = links[i, j] + SMALLEST
            cut += link if side[i] and not side[j] else 0.0
            whole += link if side[i] else 0.0
            other += link if not side[i] else 0.0
    return cut / whole + cut / other


def reference(links, least):
    """The cheapest of all thresholds of the second generalised eigenvector."""
    links = links + SMALLEST
    degrees = np.diag(links.sum(1))
    _, vectors = eigh(degrees - links, degrees)
    values = vectors[:, 1]
    sides = [values <= threshold for threshold in sorted(values)]
    fair = [own for own in sides if own.sum() >= least and (~own).sum() >= least]
    return min(((published_cost(links - SMALLEST, own), own) for own in fair), key=lambda pair: pair[0])


@pytest.mark.parametrize("least", [1, 4])
@pytest.mark.parametrize("seed", range(4))
def test_the_cut_is_the_cheapest_threshold_of_the_second_eigenvector(seed, least):
    links = symmetric(np.random.default_rng(seed), 13)
    cost, side = best_cut(links, least)
    expected, other = reference(links, least)
    assert cost == pytest.approx(expected) == published_cost(links, side)
    assert np.array_equal(side, other) or np.array_equal(side, ~other)


def test_two_cliques_with_a_weak_link_come_apart_and_one_stays_whole():
    links = np.kron(np.eye(2), np.ones((5, 5)))
    links[4, 5] = links[5, 4] = 0.1
    groups = taken_apart(links, most_cut=0.05, least=2)
    assert len(set(groups[:5])) == len(set(groups[5:])) == 1 and groups[0] != groups[5]
    assert not taken_apart(np.ones((10, 10)), most_cut=0.05, least=1).any()


def test_cuts_go_on_within_the_parts():
    links = np.kron(np.eye(4), np.ones((6, 6))) + 1e-4
    groups = taken_apart(links, most_cut=0.05, least=2)
    assert sorted(np.bincount(groups)) == [6, 6, 6, 6]
    assert all(len(set(groups[start : start + 6])) == 1 for start in range(0, 24, 6))


def test_no_side_is_smaller_than_asked():
    links = np.kron(np.eye(2), np.ones((5, 5)))
    assert not taken_apart(links, most_cut=1.0, least=6).any()
    assert best_cut(links, 6)[0] == np.inf
