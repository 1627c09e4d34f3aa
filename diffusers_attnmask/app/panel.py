"""What a tab shows of a view: the picture large, its classes to switch, its maps, and files to take away."""

from __future__ import annotations

import tempfile
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from diffusers_attnmask.app.view import View
from diffusers_attnmask.ground.drawing import Look
from diffusers_attnmask.ground.palette import PALETTES

PRESENCE = "The number says how surely the class is in the picture at all, from 0 to 1"
MAPS = "Class maps, from 0 to 1"


class Panel(NamedTuple):
    """The components of a view; `outputs` are set when a question is answered."""

    view: Any
    picture: Any
    absent: Any
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
    picture = gr.Image(type="pil", format="png", label="Picture and masks", show_label=False, height=560)
    absent = gr.HTML()
    shown = gr.CheckboxGroup([], label="Classes shown", info=PRESENCE)
    with gr.Row():
        opacity = gr.Slider(0, 1, value=Look.opacity, step=0.05, label="Opacity", info="Of the fill")
        threshold = gr.Slider(0, 1, value=0, step=0.01, label="Threshold", info="0: the method's own")
        palette = gr.Dropdown(
            list(PALETTES), value=Look.palette, label="Colours", info="For all eyes, or VOC's"
        )
    maps = gallery(gr, MAPS, columns=3)
    with gr.Row():
        seed = gr.Number(label="Seed of this picture", precision=0, interactive=False)
        files = gr.File(label="Mask, overlay, JSON", file_count="multiple", interactive=False)
    controls = [view, shown, opacity, threshold, palette]
    changes = [opacity.release, threshold.release, shown.input, palette.input]
    gr.on(changes, redrawn, controls, [picture, files], show_progress="hidden")
    return Panel(view, picture, absent, shown, maps, seed, files)


def gallery(gr: Any, label: str, **settings: Any) -> Any:
    """Pictures under a heading, which would hide a part of the first one if it stood on it."""
    gr.Markdown(f"#### {label}")
    return gr.Gallery(label=label, show_label=False, object_fit="contain", format="png", **settings)


def laid_out(gr: Any, view: View) -> tuple:
    """The values of a panel's outputs."""
    chips = gr.update(choices=list(zip(view.labels, view.classes, strict=True)), value=view.classes)
    absence = view.absence()
    told = f'<p class="absent">{escape(absence)}</p>' if absence else ""
    return view, view.overlay(), told, chips, view.maps(), view.seed, view.write(new_folder())


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
