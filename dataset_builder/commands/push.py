"""`attnmask push`: a folder to the Hub, as what it holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def push(
    repo: Annotated[str, typer.Argument(help="Repository, as user/name; made if need be.")],
    folder: Annotated[
        Path,
        typer.Option(
            "--data", "--model", help="Folder of a dataset, a trained segmenter or a saved pipeline."
        ),
    ],
    private: Annotated[bool, typer.Option("--private", help="Make the repository private.")] = False,
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
    address = published(folder, repo, private, license)
    typer.echo(json.dumps({"url": address}) if as_json else f"pushed to {address}")


def published(folder: Path, repo: str, private: bool, license: str | None) -> str:
    """Push a folder as what it holds. Returns the repository's address."""
    from diffusers_attnmask.publishing import PIPELINE_INDEX, push_pipeline
    from train_segmenter.models.base import SPEC_FILE

    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder} to push")
    if (folder / SPEC_FILE).is_file():
        from train_segmenter.card import push_model

        return push_model(folder, repo, private, license=license)
    if (folder / PIPELINE_INDEX).is_file():
        if license:
            raise ValueError(f"--license {license} has no card to stand in: write it into {folder}/README.md")
        return push_pipeline(folder, repo, private)
    from dataset_builder.hub.card import write_card
    from dataset_builder.hub.push import push_folder

    write_card(folder, repo, license)
    return push_folder(folder, repo, private)
