"""`attnmask augment`: a dataset with spliced, blurred, occluded, warped and turned pairs."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from dataset_builder.commands.shared_options import Address, Engine, Outside, Workers, typed_engine
from diffusers_attnmask.ground.typed import choice


def augment(
    data: Annotated[
        str, typer.Option(help="Dataset folder or Hub name, or name@split[:10%]; it stays as it is.")
    ],
    out: Annotated[str, typer.Option(help="Folder of the augmented dataset; a stopped run goes on.")],
    copies: Annotated[int, typer.Option(min=1, help="Augmented pairs made of each pair.")] = 1,
    originals: Annotated[bool, typer.Option(help="Keep the pairs themselves beside their copies.")] = True,
    splice: Annotated[float, typer.Option(help="Probability of tiles with other pairs.")] = 0.5,
    grid: Annotated[
        list[str] | None, typer.Option(help="Rows x columns of tiles. Repeatable; by default all published.")
    ] = None,
    blur: Annotated[float, typer.Option(help="Probability of Gaussian blur.")] = 0.3,
    occlude: Annotated[float, typer.Option(help="Probability of patches in front.")] = 0.3,
    occluded: Annotated[
        str, typer.Option(help="The mask beneath a patch: ignore (255), keep, or background.")
    ] = "ignore",
    perspective: Annotated[float, typer.Option(help="Probability of a perspective warp.")] = 0.3,
    turn: Annotated[float, typer.Option(help="Probability of a turn by some degrees, with a zoom.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    split: Annotated[
        str, typer.Option(help="Split that is augmented, where --data names none; the others stay.")
    ] = "train",
    allow_outside: Outside = False,
    engine: Engine = "local",
    workers: Workers = 1,
    address: Address = "local",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Make a dataset of augmented pairs: splicing, blur, occlusion, perspective, turns."""
    from dataset_builder.augmentation.run import AugmentRun, augment_dataset
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.ground.places import shown
    from train_segmenter.augmentation.options import PUBLISHED_GRIDS, AugmentOptions

    with as_flags({"grids": "--grid"}):
        run = AugmentRun(
            augment=AugmentOptions(
                splice=splice,
                grids=tuple(map(parsed_grid, grid)) if grid else PUBLISHED_GRIDS,
                blur=blur,
                occlude=occlude,
                occluded=choice(occluded),
                perspective=perspective,
                turn=turn,
            ),
            copies=copies,
            originals=originals,
            seed=seed,
            split=split,
            allow_outside=allow_outside,
        )
        where = typed_engine(engine, workers, address)
    made = augment_dataset(data, out, run, where)
    if as_json:
        typer.echo(json.dumps({"out": str(out), "pairs": made.pairs, "of": made.of}))
    else:
        typer.echo(f"{made.pairs} pairs of {made.of} are in {shown(out)}")


def parsed_grid(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)[x×](\d+)", text.strip().lower())
    if match is None:
        raise ValueError(f"--grid {text!r}: write rows and columns as 2x2")
    return int(match[1]), int(match[2])
