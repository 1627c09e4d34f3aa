"""Files that are there and cannot be read: a fault of the world, not of who named them."""

from __future__ import annotations


class DamagedFile(OSError, ValueError):
    """A file that is cut off, empty, or not of the kind that its place asks for; one line names it."""
