"""What the commands over whole datasets have in common: where they run, what they may read and push."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from diffusers_attnmask.ground.typed import choice

if TYPE_CHECKING:
    from dataset_builder.engine.options import EngineOptions

Engine = Annotated[str, typer.Option(help="local, or ray for more than one machine.")]
Workers = Annotated[int, typer.Option(help="Processes at work, on one machine or on all of a cluster.")]
Address = Annotated[str, typer.Option(help="Ray cluster: HOST:PORT, auto, or local.")]
Outside = Annotated[
    bool, typer.Option("--allow-outside", help="Read files, too, that the data name outside.")
]
Gpus = Annotated[str | None, typer.Option(help="GPUs of this machine, as 0,1: a process on each.")]
Private = Annotated[bool, typer.Option("--private", help="Make the repository private.")]


def typed_engine(engine: str, workers: int, address: str, gpus: str | None = None) -> EngineOptions:
    from dataset_builder.engine.options import EngineOptions

    return EngineOptions(choice(engine), workers, address, parsed_gpus(gpus))


def parsed_gpus(text: str | None) -> tuple[int, ...]:
    numbers = text.split(",") if text else []
    if wrong := [own for own in numbers if not own.strip().isdecimal()]:
        raise ValueError(f"--gpus {text!r}: write numbers of GPUs as 0,1, not {wrong[0]!r}")
    return tuple(map(int, numbers))
