"""`attnmask push`: a dataset folder to the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def push(
    repo: Annotated[str, typer.Argument(help="Dataset repository, as user/name; made if need be.")],
    data: Annotated[Path, typer.Option(help="Dataset folder.")],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
    license: Annotated[
        str | None, typer.Option(help="Licence for the card, as the Hub names it; by default the recipe's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Publish a dataset folder with its card, all of it at once or nothing."""
    from dataset_builder.hub.card import write_card
    from dataset_builder.hub.push import push_folder

    write_card(data, repo, license)
    address = push_folder(data, repo, private)
    typer.echo(json.dumps({"url": address}) if as_json else f"pushed to {address}")
