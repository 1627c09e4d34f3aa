"""A question's answer on the page: what it gave, or one sentence that says what to change."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from html import escape

from diffusers_attnmask.cli_errors import told

# What lines say in Python's words, in those of the page.
PAGE_WORDS = (
    (re.compile(r"\(\{'([^']*)': \[\.\.\.\]\}\)"), r"(\1=phrase,phrase)"),
    (re.compile(r"mask_method='([\w-]+)'"), r"the mask method \1"),
    (re.compile(r"\bnum_inference_steps\b"), "steps"),
    (re.compile(r"\bguidance_scale\b"), "guidance"),
)


def answered(ask: Callable[[], tuple], unchanged: tuple) -> tuple:
    """The sentence of a mistake, empty where there is none, and the outputs, which a mistake leaves."""
    try:
        return "", *ask()
    except Exception as error:  # whatever it is, the page says it
        if os.environ.get("ATTNMASK_DEBUG") and not isinstance(error, ValueError | TypeError | OSError):
            raise
        return sentence(error), *unchanged


def sentence(error: Exception) -> str:
    """One sentence as HTML, which speaks of the page where the line would speak of Python.

    >>> sentence(ValueError("write a prompt first"))
    '<p class="mistake" role="alert">Write a prompt first.</p>'
    """
    line, _ = told(error)
    for python, page in PAGE_WORDS:
        line = python.sub(page, line)
    line = escape(line[:1].upper() + line[1:]).rstrip(".")
    return f'<p class="mistake" role="alert">{line}.</p>'
