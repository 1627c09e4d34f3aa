"""The bar of a stage, which counts pairs."""

from __future__ import annotations

from tqdm import tqdm


def pair_bar(doing: str, total: int, show: bool, *, unit: str = "pair") -> tqdm:
    return tqdm(total=total, desc=doing, unit=unit, disable=not show, leave=False)
