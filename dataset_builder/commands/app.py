"""`attnmask app`: pipelines and datasets in a browser."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from diffusers_attnmask.loading import flags


def app(
    model: flags.Model = None,
    revision: flags.Revision = None,
    dtype: flags.Dtype = None,
    device: flags.Device = None,
    lora: flags.Loras = None,
    vae: flags.Vae = None,
    scheduler: flags.Scheduler = None,
    offload: flags.Offload = None,
    model_option: flags.ModelOptions = None,
    data: Annotated[
        str, typer.Option(help="Dataset folder or Hub name that the tab Browse begins with.")
    ] = "",
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port; by default the first free one.")
    ] = None,
) -> None:
    """Sample, compare and look closely, find the masks of pictures, and browse datasets, in a browser."""
    from dataset_builder.browsing.tab import browse_tab
    from diffusers_attnmask.app.page import gradio, serve
    from diffusers_attnmask.app.studio import Studio
    from diffusers_attnmask.ground.options import as_flags
    from diffusers_attnmask.loading.load import load_pipeline
    from diffusers_attnmask.loading.options import ModelOptions

    with as_flags(flags.FLAGS):
        typed = flags.typed_model(
            dtype=dtype,
            device=device,
            loras=lora,
            vae=vae,
            scheduler=scheduler,
            offload=offload,
            more=model_option,
        )
        options = ModelOptions(**typed)
        options.check_conditions("--condition of attnmask sample", some=False, every=False)
        gradio()  # before a model is loaded in vain
        pipe = load_pipeline(model, options, revision)
    serve(Studio(pipe), {"Browse": partial(browse_tab, data=data)}, server_name=host, server_port=port)
