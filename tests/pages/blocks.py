"""The code on the documents' pages, block by block, and the command lines in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


class Block(NamedTuple):
    page: str
    place: int  # among those of its kind on the page
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.place}"


class Line(NamedTuple):
    page: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}: {self.text}"

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text, comments=True)


def blocks(*kinds: str) -> list[Block]:
    found = []
    for page in PAGES:
        fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
        texts = [text for kind, text in fences if kind in kinds]
        found += [Block(page.name, place, text) for place, text in enumerate(texts)]
    return found


def shell_lines() -> Iterator[Line]:
    """Every command of the blocks of a shell, those that go over several lines joined."""
    for block in blocks("bash", "console"):
        begun = ""
        for line in block.text.replace("\\\n", " ").splitlines():
            begun = f"{begun} {line}".strip()
            if begun and is_whole(begun):
                yield Line(block.page, re.sub(r"^\$ |\s+", " ", begun).strip())
                begun = ""


def is_whole(line: str) -> bool:
    """Whether every quotation that begins in a line ends there."""
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True
