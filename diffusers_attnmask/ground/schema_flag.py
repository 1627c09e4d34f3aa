"""`--schema` of the commands that read a recipe: what an editor wants to know of its keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import typer


def schema_flag(recipe: Callable[[], type]) -> Any:
    """The option that prints the JSON schema and ends. recipe: imports the class, when it is asked for."""

    def print_schema(asked: bool) -> None:
        if asked:
            from diffusers_attnmask.ground.options import json_schema

            typer.echo(json.dumps(json_schema(recipe()), indent=2))
            raise typer.Exit

    words = "Print the JSON schema of recipes, and exit."
    return typer.Option("--schema", callback=print_schema, is_eager=True, help=words)
