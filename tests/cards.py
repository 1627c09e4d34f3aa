"""Cards as the Hub reads them: a YAML head, and Markdown whose tables are tables and whose pictures exist."""

from __future__ import annotations

import re
from pathlib import Path

from huggingface_hub import RepoCard
from markdown_it import MarkdownIt


def check_card(text: str, folder: Path | None = None) -> int:
    """Raise unless a card parses as it was meant; folder: where its pictures lie. Returns how many tables it
    has."""
    head = re.match(r"---\n(.*?)\n---\n", text, re.S)
    assert head, "the head of metadata"
    assert RepoCard(text).data.to_dict(), "metadata that huggingface_hub reads"
    tokens = MarkdownIt("commonmark").enable("table").parse(text[head.end() :])
    for token in tokens:
        if token.type == "inline":
            broken = [line for line in token.content.splitlines() if line.startswith("|")]
            assert not broken, f"rows of a table that is none: {broken}"
            assert "{{" not in token.content and "{%" not in token.content, token.content
    for token in (own for parent in tokens for own in parent.children or ()):
        if token.type == "image" and folder is not None:
            assert (folder / str(token.attrs["src"])).is_file(), token.attrs
    return sum(token.type == "table_open" for token in tokens)
