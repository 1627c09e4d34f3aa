"""`attnmask export`: pairs from one format to another, in either direction."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dataset_builder.commands.shared_options import Address, Engine, Outside, Workers, typed_engine


def export(
    data: Annotated[
        str,
        typer.Option(
            help="Dataset folder or Hub name; to import: VOC:path, Cityscapes:, COCO:, mmseg:, folder:, "
            "imagefolder:, yolo-seg:. Each with @split or @split[:10%]."
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="voc, cityscapes, coco (instances and panoptic), mmseg, folder, imagefolder, yolo-seg, "
            "yolo-detect, or dataset to import."
        ),
    ],
    out: Annotated[str, typer.Option(help="New folder; a stopped run goes on.")],
    vocabulary: Annotated[
        str | None,
        typer.Option(help="Vocabulary whose colours are used; by default that of the class names."),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to read, where --data names none; by default all.")
    ] = None,
    val_share: Annotated[
        float | None, typer.Option(help="Part of the training pairs to write as validation split, as 0.1.")
    ] = None,
    allow_outside: Outside = False,
    png: Annotated[bool, typer.Option("--png", help="VOC's pictures as PNG, not as JPEG.")] = False,
    engine: Engine = "local",
    workers: Workers = 1,
    address: Address = "local",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write a dataset as VOC, COCO, Cityscapes, YOLO and others, or read one of those as a dataset."""
    from dataset_builder.export.convert import ExportOptions, convert
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import shown
    from diffusers_attnmask.ground.typed import choice

    with as_flags():
        options = ExportOptions(choice(to), vocabulary, split, val_share, allow_outside, png)
        where = typed_engine(engine, workers, address)
    pairs, home = convert(data, out, options, where)
    counts = {name: len(own) for name, own in pairs.splits.items()}
    if as_json:
        typer.echo(json.dumps({"out": str(home), "pairs": len(pairs), "splits": counts}))
    else:
        typer.echo(f"{len(pairs)} pairs are in {shown(home)}")
