"""The app's page: two forms over one model. gradio is imported when the page is made."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from diffusers_attnmask.app.studio import Studio
from diffusers_attnmask.methods import METHODS

CLASSES = "Classes, between semicolons; aeroplane=airplane,jet for a name and its phrases"
METHOD_CHOICES = [("the model's own", ""), *((name, name) for name in METHODS)]


def gradio() -> Any:
    """The library, which reports nothing to its makers; or one line that says how to get it."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio as module
    except ImportError as reason:
        raise OSError("the app needs gradio: pip install 'diffusers-attnmask[app]'") from reason
    return module


def serve(studio: Studio, **launch: Any) -> Any:
    """Serve the page, as `launch` of gradio's Blocks says where; what gradio itself refuses is shown, too."""
    return page(studio).launch(show_error=True, **launch)


def page(studio: Studio, title: str = "attnmask") -> Any:
    """The page as gradio's Blocks."""
    gr = gradio()
    with gr.Blocks(title=title) as blocks:
        gr.Markdown(f"# {title}\nPictures with class masks, from what the model attends to.")
        with gr.Tab("From a prompt"):
            fields = [
                gr.Textbox("a photo of a red star and a blue fish on sand", label="Prompt"),
                gr.Textbox("star; fish", label=CLASSES),
                gr.Dropdown(METHOD_CHOICES, value="", label="Mask method"),
                gr.Slider(1, 100, value=30, step=1, label="Steps"),
                gr.Slider(1, 20, value=7.5, label="Guidance"),
                gr.Number(0, precision=0, label="Seed (-1: any)"),
            ]
            form(gr, "Sample", studio.sample, fields)
        with gr.Tab("From a picture"):
            fields = [
                gr.Image(type="filepath", image_mode=None, label="Picture"),  # read by our own reader
                gr.Textbox("a photo of a star", label="What it shows"),
                gr.Textbox("star", label=CLASSES),
                gr.Dropdown(METHOD_CHOICES, value="", label="Mask method"),
                gr.Slider(0, 1, value=0.3, label="Noise"),
                gr.Slider(1, 10, value=1, step=1, label="Looks"),
                gr.Number(0, precision=0, label="Seed (-1: any)"),
            ]
            form(gr, "Find the masks", studio.segment, fields)
    return blocks


def form(gr: Any, label: str, answer: Callable, fields: list) -> None:
    """A button under the fields, and what it answers beneath. The model serves one question at a time."""
    button = gr.Button(label, variant="primary")
    with gr.Row():
        results = [
            gr.Image(type="pil", format="png", label="Picture"),
            gr.Image(type="pil", format="png", label="Overlay"),
            gr.Image(type="pil", format="png", image_mode=None, label="Mask: class ids"),
        ]
    results += [gr.Gallery(label="Class maps"), gr.Number(precision=0, label="Seed")]
    button.click(forgiving(gr, answer), fields, results, concurrency_limit=1, concurrency_id="the model")


def forgiving(gr: Any, answer: Callable) -> Callable:
    """A user's mistake becomes a message on the page."""

    @functools.wraps(answer)
    def answered(*values: Any) -> tuple:
        try:
            return tuple(answer(*values))
        except (ValueError, TypeError) as mistake:
            raise gr.Error(str(mistake)) from mistake

    return answered
