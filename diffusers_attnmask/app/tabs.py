"""The tabs over one model: Sample, Compare, Picture, Prompt attention. A function each lays out its tab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffusers_attnmask.app.answers import answered
from diffusers_attnmask.app.fields import asked, fields
from diffusers_attnmask.app.halt import Halt, Halts
from diffusers_attnmask.app.lent_gpu import on_lent_gpu
from diffusers_attnmask.app.panel import MAPS, Panel, gallery, laid_out, panel
from diffusers_attnmask.app.studio import Asked, Studio, Watch
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
    ask = _panel_filled(gr, studio.sample, shown)
    _ask_on(gr, [go.click, form.prompt.submit], stop, ask, form.inputs, [mistake, *shown.outputs])


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
    ask = _panel_filled(gr, studio.words, shown)
    _ask_on(gr, [go.click, form.prompt.submit], stop, ask, form.inputs, [mistake, *shown.outputs])


def compare_tab(gr: Any, studio: Studio) -> None:
    """A prompt, and the masks of several methods, read from one sampling."""
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            form = fields(gr, studio.methods, method=False)
            methods = gr.CheckboxGroup(studio.methods, value=studio.methods[:3], label="Mask methods")
            go, stop = gr.Button("Compare", variant="primary"), gr.Button("Stop")
            mistake = gr.HTML()
        with gr.Column(scale=3, min_width=320):
            masks, maps = gallery(gr, "Masks", columns=2), gallery(gr, MAPS, columns=3)

    def compare(watch: Watch, chosen: list[str], *values: Any) -> tuple:
        views = studio.compare(asked(values), chosen, watch)
        own = [(view.overlay(), f"{name}: {', '.join(view.labels)}") for name, view in views.items()]
        every = [
            (picture, f"{name}: {label}") for name, view in views.items() for picture, label in view.maps()
        ]
        return own, every

    inputs, outputs = [methods, *form.inputs], [mistake, masks, maps]
    _ask_on(gr, [go.click, form.prompt.submit], stop, compare, inputs, outputs)


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
    gr.on(triggers, on_lent_gpu(find), inputs, outputs, show_progress_on=[shown.picture], **THE_MODEL)


def _panel_filled(gr: Any, answer: Callable[[Asked, Watch], View], shown: Panel) -> Callable[..., tuple]:
    """What a panel shows of an answer."""
    return lambda watch, *values: laid_out(gr, answer(asked(values), watch))


def _ask_on(
    gr: Any,
    triggers: list[Any],
    stop: Any,
    answer: Callable[..., tuple],
    inputs: list[Any],
    outputs: list[Any],
) -> None:
    """Ask the model on any of the triggers, telling each step, until it is done or whoever asked stops it.

    outputs: the place of a mistake, then those of the answer, of which the first shows the progress.
    """
    first = next(own for own in outputs[1:] if not isinstance(own, gr.State))
    unchanged = tuple(gr.update() for _ in outputs[1:])
    halts, halt = Halts(), gr.State()  # a state is one person's

    # gradio finds what tells steps by its default
    def ask(own: Halt, progress: Any = gr.Progress(), *values: Any) -> tuple:
        def step(done: int, total: int) -> None:
            progress((done, total), desc="sampling", unit="steps")

        return answered(lambda: answer(Watch(step, own), *values), unchanged)

    begun = gr.on(triggers, halts.begin, [halt], [halt], queue=False, show_progress="hidden")
    begun.then(on_lent_gpu(ask), [halt, *inputs], outputs, show_progress_on=[first], **THE_MODEL)
    stop.click(halts.stop, [halt], None, queue=False)
