"""`attnmask app`: the pipelines in a browser."""

from __future__ import annotations

from typing import Annotated

import typer


def app(
    model: Annotated[
        str | None, typer.Option(help="Model folder or repository; by default the bundled model.")
    ] = None,
    half: Annotated[bool, typer.Option(help="Sample in float16.")] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; by default the first free one.")
    ] = None,
) -> None:
    """Sample pictures with masks, and find the masks of pictures, in a browser."""
    from diffusers_attnmask.app.page import gradio, page
    from diffusers_attnmask.app.studio import Studio
    from diffusers_attnmask.sampling.loading import loaded_pipeline

    gradio()  # before a model is loaded in vain
    page(Studio(loaded_pipeline(model, half))).launch(server_name=host, server_port=port)
