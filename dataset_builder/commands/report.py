"""`attnmask report`: a dataset as one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from dataset_builder.commands.shared_options import Address, Engine, Outside, Workers, typed_engine


def report(
    data: Annotated[str, typer.Option(help="Dataset folder or Hub name, or name@split[:10%].")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page, by default report.html in the folder; an earlier report is replaced, no other "
            "file."
        ),
    ] = None,
    gallery: Annotated[int, typer.Option(min=1, help="Pairs in the gallery, spread over the dataset.")] = 48,
    extremes: Annotated[int, typer.Option(min=0, help="Pairs among the best, and among the worst.")] = 8,
    allow_outside: Outside = False,
    engine: Engine = "local",
    workers: Workers = 1,
    address: Address = "local",
    as_json: Annotated[bool, typer.Option("--json", help="Print the page's path as JSON.")] = False,
) -> None:
    """Write a page with counts, histograms, a gallery with masks, and what was left out and why."""
    from dataset_builder.report.collect import ReportOptions
    from dataset_builder.report.run import report_dataset
    from diffusers_attnmask.ground.options import as_flags

    with as_flags():
        options = ReportOptions(gallery, extremes, allow_outside=allow_outside)
        where = typed_engine(engine, workers, address)
    page = report_dataset(data, out, options, where)
    typer.echo(json.dumps({"report": str(page)}) if as_json else f"open {page.resolve()} in a browser")
