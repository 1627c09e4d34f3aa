"""The tabs over one model: Sample, Compare, Picture, Prompt attention. A function each lays out its tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers_attnmask.app.answers import answered
from diffusers_attnmask.app.fields import Fields, asked, fields
from diffusers_attnmask.app.panel import Panel, laid_out, panel
from diffusers_attnmask.app.studio import Asked, Studio
from diffusers_attnmask.app.view import View

THE_MODEL: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "the model"}  # one question at a time


def sample_tab(gr: Any, studio: Studio) -> None:
    """A prompt, and its picture with masks."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            form = fields(gr, studio.methods)
            go, stop = gr.Button("Sample", variant="primary"), gr.Button("Stop")
            mistake = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            shown = panel(gr)
    _ask_on(gr, studio, [go.click, form.prompt.submit], studio.sample, form, mistake, shown)
    stop.click(studio.stop, queue=False)


def words_tab(gr: Any, studio: Studio) -> None:
    """A prompt, and where the model looks for each of its words."""
    gr.Markdown("Where the model looks for every word of the prompt, the whole sampling through.")
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            form = fields(gr, [], classes=False, method=False)
            go, stop = gr.Button("Show every word", variant="primary"), gr.Button("Stop")
            mistake = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            shown = panel(gr)
    _ask_on(gr, studio, [go.click, form.prompt.submit], studio.words, form, mistake, shown)
    stop.click(studio.stop, queue=False)


def compare_tab(gr: Any, studio: Studio) -> None:
    """A prompt, and the masks of several methods, read from one sampling."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            form = fields(gr, studio.methods, method=False)
            methods = gr.CheckboxGroup(studio.methods, value=studio.methods[:3], label="Mask methods")
            go, stop = gr.Button("Compare", variant="primary"), gr.Button("Stop")
            mistake = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            masks = gr.Gallery(label="Masks", columns=2, object_fit="contain", format="png")
            maps = gr.Gallery(label="Class maps, from 0 to 1", columns=3, object_fit="contain", format="png")

    def compare(chosen: list[str], *values: Any) -> tuple:
        def ask() -> tuple:
            views = studio.compare(asked(values), chosen)
            own = [(view.overlay(), name) for name, view in views.items()]
            every = [
                (picture, f"{name}: {label}")
                for name, view in views.items()
                for picture, label in view.maps()
            ]
            return own, every

        return answered(ask, (gr.update(), gr.update()))

    triggers = [go.click, form.prompt.submit]
    inputs, outputs = [methods, *form.inputs], [mistake, masks, maps]
    gr.on(triggers, compare, inputs, outputs, show_progress_on=[masks], **THE_MODEL)
    stop.click(studio.stop, queue=False)


def picture_tab(gr: Any, studio: Studio) -> None:
    """A picture of the user's own, and its masks."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            image = gr.Image(  # read by our own reader
                type="filepath", image_mode=None, label="Picture", sources=["upload", "clipboard"], height=280
            )
            prompt = gr.Textbox("", label="What it shows", placeholder="a photo of a star")
            chips = gr.Dropdown(
                [], value=[], label="Classes", info="Words of what it shows, Enter after each",
                multiselect=True, allow_custom_value=True,
            )  # fmt: skip
            method = gr.Dropdown(
                [("the model's own", ""), *((own, own) for own in studio.methods)], value="",
                label="Mask method",
            )  # fmt: skip
            with gr.Accordion("More", open=False):
                strength = gr.Slider(0, 1, value=0.3, step=0.05, label="Noise")
                looks = gr.Slider(1, 10, value=1, step=1, label="Looks")
                seed = gr.Number(0, precision=0, label="Seed (-1: any)")
            go = gr.Button("Find the masks", variant="primary")
            mistake = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            shown = panel(gr)

    def find(
        own: Any, text: str, classes: list[str], name: str, noise: float, count: float, number: float | None
    ) -> tuple:
        question = Asked(text, classes, name, seed=number)
        return answered(
            lambda: laid_out(gr, studio.picture(own, question, noise, count)),
            tuple(gr.update() for _ in shown.outputs),
        )

    inputs = [image, prompt, chips, method, strength, looks, seed]
    triggers, outputs = [go.click, prompt.submit], [mistake, *shown.outputs]
    gr.on(triggers, find, inputs, outputs, show_progress_on=[shown.picture], **THE_MODEL)


def _ask_on(
    gr: Any,
    studio: Studio,
    triggers: list[Any],
    answer: Callable[..., View],
    form: Fields,
    mistake: Any,
    shown: Panel,
) -> None:
    """Ask the model on any of the triggers, telling each step, and lay out what it gives."""
    unchanged = tuple(gr.update() for _ in shown.outputs)

    def ask(  # gradio looks for the default of `progress` to tell steps by
        prompt: str,
        classes: list[str],
        method: str,
        negative: str,
        size: float,
        steps: float,
        guidance: float,
        seed: float,
        progress: Any = gr.Progress(),
    ) -> tuple:
        values = (prompt, classes, method, negative, size, steps, guidance, seed)

        def step(done: int, total: int) -> None:
            progress((done, total), desc="sampling", unit="steps")

        return answered(lambda: laid_out(gr, answer(asked(values), step)), unchanged)

    outputs = [mistake, *shown.outputs]
    gr.on(triggers, ask, form.inputs, outputs, show_progress_on=[shown.picture], **THE_MODEL)
