"""Normalised cuts: a graph of places taken apart where its links are few and weak (Shi and Malik, 2000)."""

from __future__ import annotations

import numpy as np
from scipy.linalg import eigh

SMALLEST = 1e-12  # of a link, so that no place is without any


def taken_apart(links: np.ndarray, most_cut: float, least: int) -> np.ndarray:
    """A group's number for each of the places that symmetric links (N, N) connect: int (N,), from 0.

    Groups are cut in two as long as a cut costs at most `most_cut` and leaves `least` places on both sides.
    """
    groups = np.zeros(len(links), int)
    waiting, found = [np.arange(len(links))], 0
    while waiting:
        places = waiting.pop()
        cost, side = best_cut(links[np.ix_(places, places)], least)
        if cost <= most_cut:
            waiting += [places[side], places[~side]]
        else:
            groups[places] = found
            found += 1
    return groups


def best_cut(links: np.ndarray, least: int = 1) -> tuple[float, np.ndarray]:
    """The cost of the best normalised cut of links (N, N), and its one side, bool (N,).

    Ncut(A, B) = cut(A, B) / assoc(A) + cut(A, B) / assoc(B), of all cuts at a threshold of the second
    eigenvector of (D − W) y = λ D y. Without one that leaves `least` places on both sides, infinity.
    """
    count, least = len(links), max(least, 1)
    if count < 2 * least:
        return np.inf, np.zeros(count, bool)
    links = links + SMALLEST
    degrees = links.sum(1)
    scale = degrees**-0.5
    laplacian = np.eye(count) - scale[:, None] * links * scale
    order = np.argsort(scale * eigh(laplacian, subset_by_index=(1, 1))[1][:, 0], kind="stable")
    below = degrees[order].cumsum()  # assoc of the first k places
    within = links[np.ix_(order, order)].cumsum(0).cumsum(1).diagonal()  # links among them
    cut, above = below - within, below[-1] - below
    sizes = slice(least - 1, count - least)
    costs = cut[sizes] / below[sizes] + cut[sizes] / above[sizes]
    size = int(costs.argmin()) + least
    side = np.zeros(count, bool)
    side[order[:size]] = True
    return float(costs[size - least]), side
