"""What a tab shows of a view: the picture large, its classes to switch, its maps, and files to take away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from diffusers_attnmask.app.view import View
from diffusers_attnmask.ground.drawing import Look
from diffusers_attnmask.ground.palette import PALETTES


class Panel(NamedTuple):
    """The components of a view; `outputs` are set when a question is answered."""

    view: Any
    picture: Any
    shown: Any
    maps: Any
    seed: Any
    files: Any

    @property
    def outputs(self) -> list[Any]:
        return list(self)


def panel(gr: Any) -> Panel:
    """Lay a view out, and let its controls draw it anew without asking the model."""
    view = gr.State()
    picture = gr.Image(type="pil", format="png", label="Picture and masks", elem_classes="large", height=560)
    shown = gr.CheckboxGroup([], label="Classes shown")
    with gr.Row():
        opacity = gr.Slider(0, 1, value=Look.opacity, step=0.05, label="Opacity of the fill")
        threshold = gr.Slider(0, 1, value=0, step=0.01, label="Threshold (0: the method's own)")
        palette = gr.Dropdown(list(PALETTES), value=Look.palette, label="Colours")
    maps = gr.Gallery(label="Class maps, from 0 to 1", columns=3, object_fit="contain", format="png")
    with gr.Row():
        seed = gr.Number(label="Seed of this picture", precision=0, interactive=False)
        files = gr.File(label="Mask, overlay, JSON", file_count="multiple", interactive=False)
    controls = [view, shown, opacity, threshold, palette]
    changes = [opacity.release, threshold.release, shown.input, palette.input]
    gr.on(changes, redrawn, controls, [picture, files], show_progress="hidden")
    return Panel(view, picture, shown, maps, seed, files)


def laid_out(gr: Any, view: View) -> tuple:
    """The values of a panel's outputs."""
    chips = gr.update(choices=view.classes, value=view.classes)
    return view, view.overlay(), chips, view.maps(), view.seed, view.write(new_folder())


def redrawn(view: View | None, shown: list[str], opacity: float, threshold: float, palette: Any) -> tuple:
    """The picture and the files of a view by other settings."""
    if view is None:
        return None, None
    look = Look(opacity, palette)
    view = view.recut(threshold).showing(shown)
    return view.overlay(look), view.write(new_folder(), look)


def new_folder() -> Path:
    """For files of one answer, which gradio copies when they are asked for."""
    return Path(tempfile.mkdtemp(prefix="attnmask-app-"))
