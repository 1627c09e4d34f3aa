"""Outlines of regions as polygons along the edges of pixels, which fill to the very same pixels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

Points = list[tuple[int, int]]  # x, y of corners of pixels


def outline(region: np.ndarray) -> Points:
    """One closed polygon around a region, bool (H, W), empty for none; filled by the even-odd rule.

    Where the region has several parts or holes, the polygon goes from the first outline to each of the
    others and back the same way, which encloses nothing.

    >>> outline(np.array([[True, True], [False, False]]))
    [(0, 0), (2, 0), (2, 1), (0, 1)]
    """
    first, *others = outlines(region) or [[]]
    ring = list(first)
    for own in others:
        ring += [first[0], *own, own[0]]
    return ring


def outlines(region: np.ndarray) -> list[Points]:
    """The outlines of a region's parts and holes, from above to below, without the points between corners."""
    following = boundary_steps(region)
    loops = []
    for start in sorted(following, key=lambda point: (point[1], point[0])):
        while following[start]:
            loop, point = [start], following[start].pop()
            while point != start:
                loop.append(point)
                point = following[point].pop()
            loops.append(corners(loop))
    return loops


def boundary_steps(region: np.ndarray) -> dict[tuple[int, int], Points]:
    """Where the outline goes from each corner of a pixel, the region to its right."""
    inside = np.pad(region, 1).astype(np.int8)
    across, down = np.diff(inside, axis=0)[:, 1:-1], np.diff(inside, axis=1)[1:-1]
    following = defaultdict(list)
    for edges, value, start, end in (
        (across, 1, (0, 0), (1, 0)),  # upper edges go to the right
        (across, -1, (1, 0), (0, 0)),
        (down, 1, (0, 1), (0, 0)),  # left edges go up
        (down, -1, (0, 0), (0, 1)),
    ):
        for y, x in np.argwhere(edges == value).tolist():
            following[x + start[0], y + start[1]].append((x + end[0], y + end[1]))
    return following


def corners(loop: Points) -> Points:
    """A closed loop of single steps without those points at which it goes straight on."""
    before, after = [loop[-1], *loop[:-1]], [*loop[1:], loop[0]]
    return [
        own
        for last, own, following in zip(before, loop, after, strict=True)
        if (own[0] - last[0], own[1] - last[1]) != (following[0] - own[0], following[1] - own[1])
    ]
