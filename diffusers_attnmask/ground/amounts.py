"""Bytes, weights and hours as plans tell them."""

from __future__ import annotations


def bytes_told(size: float) -> str:
    """
    >>> bytes_told(3 * 2**30), bytes_told(2**21)
    ('3.00 GiB', '2.0 MiB')
    """
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 / 10 else f"{size / 2**20:.1f} MiB"


def weights_told(count: int) -> str:
    """
    >>> weights_told(859_520_964)
    '859.5 million weights'
    """
    return f"{count / 1e6:,.1f} million weights"


def hours_told(hours: float) -> str:
    """
    >>> hours_told(12.34)
    '12.3 hours'
    """
    return f"{hours:.3g} hours"


def peak_told(peak: int | None) -> str:
    """What stands behind the name of a device whose memory was watched."""
    return f", {bytes_told(peak)} of its memory at most" if peak else ""
