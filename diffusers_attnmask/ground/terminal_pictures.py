"""Pictures in a terminal that can show them, told by its environment; in pipes and files there are none.

Three protocols are in use: kitty's and iTerm2's take a PNG, DEC's sixels are bands of six rows, drawn colour
by colour. Behind a multiplexer (tmux, screen) nothing is shown, since it swallows what it does not know.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Literal, TextIO

import numpy as np
from PIL import Image

from diffusers_attnmask.ground.pictures import encoded, opened_file

Protocol = Literal["kitty", "iterm2", "sixel"]
MOST_PICTURES = 4
LEAST_WIDTH = 384  # pixels; less is enlarged, by whole numbers
KITTY_CHUNK = 4096  # characters of base64 in one escape
ROWS = 6  # of a band of sixels
COLOURS = 64


def show_pictures(files: Iterable[Path], stream: TextIO | None = None) -> None:
    """Show the first few pictures where the stream, by default standard output, is such a terminal."""
    stream = stream or sys.stdout
    known = protocol(os.environ)
    if known is None or not stream.isatty():
        return
    for file, _ in zip(files, range(MOST_PICTURES), strict=False):
        stream.write(f"{escaped(opened_file(file).convert('RGB'), known)}\n")
    stream.flush()


def protocol(environment: Mapping[str, str]) -> Protocol | None:
    """What the terminal understands, as far as its environment says.

    >>> protocol({"TERM": "xterm-kitty"}), protocol({"TERM": "xterm-256color"})
    ('kitty', None)
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or term.startswith(("screen", "tmux")):
        return None
    if "KITTY_WINDOW_ID" in environment or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    if term.startswith(("foot", "mlterm", "contour")) or "sixel" in term or "KONSOLE_VERSION" in environment:
        return "sixel"
    return None


def escaped(picture: Image.Image, known: Protocol) -> str:
    """The characters that draw a picture."""
    picture = enlarged(picture)
    if known == "sixel":
        return _sixels(picture)
    png = base64.b64encode(encoded(picture)).decode()
    if known == "iterm2":
        return f"\x1b]1337;File=inline=1;width={picture.width}px:{png}\x07"
    chunks = [png[start : start + KITTY_CHUNK] for start in range(0, len(png), KITTY_CHUNK)]
    heads = ["a=T,f=100,", *[""] * (len(chunks) - 1)]
    return "".join(
        f"\x1b_G{head}m={int(number < len(chunks))};{chunk}\x1b\\"
        for number, (head, chunk) in enumerate(zip(heads, chunks, strict=True), 1)
    )


def enlarged(picture: Image.Image) -> Image.Image:
    factor = -(-LEAST_WIDTH // picture.width)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)


def _sixels(picture: Image.Image) -> str:
    indexed = picture.quantize(COLOURS)
    levels = np.asarray(indexed.getpalette(), int).reshape(-1, 3) * 100 // 255
    registers = "".join(f"#{own};2;{r};{g};{b}" for own, (r, g, b) in enumerate(levels.tolist()))
    pixels = np.asarray(indexed)
    bands = (_band(pixels[top : top + ROWS]) for top in range(0, len(pixels), ROWS))
    return f'\x1bPq"1;1;{picture.width};{picture.height}{registers}{"-".join(bands)}\x1b\\'


def _band(rows: np.ndarray) -> str:
    """Up to six rows (6, W) of colour numbers: each colour's bits over the whole width, one after another."""
    weights = 1 << np.arange(len(rows))
    lines = []
    for colour in np.unique(rows).tolist():
        bits = weights @ (rows == colour)
        drawn = "".join(_run(chr(63 + own), len(list(same))) for own, same in groupby(bits.tolist()))
        lines.append(f"#{colour}{drawn}")
    return "$".join(lines)


def _run(sixel: str, length: int) -> str:
    return f"!{length}{sixel}" if length > 3 else sixel * length
