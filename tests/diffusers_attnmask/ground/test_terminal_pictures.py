"""Terminals that show pictures get them whole, by their own protocol; everything else gets none."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from diffusers_attnmask.ground.terminal_pictures import escaped, protocol, show_pictures


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 4, (10, 50, 1)) * np.array([60, 40, 20])
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.mark.parametrize(
    ("environment", "known"),
    [
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm2"),
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "240201"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux"}, None),
        ({}, None),
    ],
)
def test_a_terminal_is_known_by_its_environment(environment, known):
    assert protocol(environment) == known


def test_kitty_gets_the_png_in_chunks():
    noise = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", escaped(Image.fromarray(noise), "kitty"))
    assert parts[0][0] == "a=T,f=100,m=1" and parts[-1][0] == "m=0" and len(parts) > 2
    assert all(len(chunk) <= 4096 for _, chunk in parts)
    shown = Image.open(io.BytesIO(base64.b64decode("".join(chunk for _, chunk in parts))))
    assert np.array_equal(np.asarray(shown)[::2, ::2], noise)


def test_iterm_gets_the_png_at_once(picture):
    (png,) = re.findall(r"^\x1b\]1337;File=inline=1;width=400px:([^\x07]*)\x07$", escaped(picture, "iterm2"))
    assert Image.open(io.BytesIO(base64.b64decode(png))).size == (400, 80)


def test_sixels_draw_every_pixel(picture):
    shown = drawn(escaped(picture, "sixel"))
    expected = np.asarray(picture.resize((400, 80), Image.Resampling.NEAREST), int)
    assert np.abs(shown - expected).max() <= 3, "colours are told in percents"


def drawn(text: str) -> np.ndarray:
    """Pixels (H, W, 3) of sixels, read character by character as DEC's manual of 1987 says."""
    width, height, body = re.fullmatch(r'\x1bPq"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.S).groups()
    pixels = np.full((int(height), int(width), 3), -1000)
    colours: dict[str, np.ndarray] = {}
    left, top, colour = 0, 0, "0"
    for register, red, green, blue, chosen, count, sixel, control in re.findall(
        r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|(?:!(\d+))?([?-~])|([$-])", body
    ):
        if register:
            colours[register] = np.array([int(red), int(green), int(blue)]) * 255 // 100
        elif chosen:
            colour = chosen
        elif sixel:
            for _ in range(int(count or 1)):
                for row in range(6):
                    if ord(sixel) - 63 >> row & 1:
                        pixels[top + row, left] = colours[colour]
                left += 1
        else:
            left, top = 0, top + 6 * (control == "-")
    return pixels


def test_pipes_and_plain_terminals_get_nothing(picture, tmp_path, monkeypatch):
    picture.save(tmp_path / "overlay.png")
    for name in ("TMUX", "KITTY_WINDOW_ID", "TERM_PROGRAM", "LC_TERMINAL", "KONSOLE_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-kitty")
    pipe, terminal = io.StringIO(), Terminal()
    show_pictures([tmp_path / "overlay.png"] * 9, pipe)
    assert pipe.getvalue() == ""
    show_pictures([tmp_path / "overlay.png"] * 9, terminal)
    assert terminal.getvalue().count("a=T") == 4
    monkeypatch.setenv("TERM", "dumb")
    plain = Terminal()
    show_pictures([tmp_path / "overlay.png"], plain)
    assert plain.getvalue() == ""
