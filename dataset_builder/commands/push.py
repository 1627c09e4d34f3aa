"""`attnmask push`: a folder to the Hub, as what it holds."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dataset_builder.commands.shared_options import Private


def push(
    repo: Annotated[str, typer.Argument(help="Repository, as user/name; made if need be.")],
    folder: Annotated[
        str,
        typer.Option(
            "--data",
            "--model",
            help="Folder of a dataset (or name@split[:10%]), a trained segmenter or a saved pipeline.",
        ),
    ],
    private: Private = False,
    license: Annotated[
        str | None,
        typer.Option(
            help="Licence for the card, as the Hub names it; by default the recipe's, and apache-2.0 for a "
            "segmenter. A pipeline's folder has a card of its own."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the address as JSON.")] = False,
) -> None:
    """Publish a dataset, a segmenter or a pipeline with its card, all of it at once or nothing."""
    from dataset_builder.hub.publish import publish_folder

    address = publish_folder(folder, repo, private, license)
    typer.echo(json.dumps({"url": address}) if as_json else f"pushed to {address}")
