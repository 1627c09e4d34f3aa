"""The tab Browse: pairs by class, quality, words and a filter's reasons, and a flag for wrong ones."""

from __future__ import annotations

from typing import Any

from dataset_builder.browsing.shelf import ANY, DROPPED, KEPT, ORDERS, PAGE, Entry, Shelf, Wanted
from diffusers_attnmask.app.answers import answered
from diffusers_attnmask.app.panel import gallery
from diffusers_attnmask.ground.drawing import Look


def browse_tab(gr: Any, data: str = "") -> None:
    """A dataset by its name; pairs that fit, and one of them large."""
    shelf, entries, chosen = gr.State(), gr.State([]), gr.State()
    with gr.Row():
        name = gr.Textbox(data, label="Dataset", placeholder="a folder, or user/name of the Hub", scale=4)
        filtered = gr.Textbox(
            "",
            label="What a filter made of it",
            placeholder="a folder, to see which pairs went, and why",
            scale=3,
        )
        go = gr.Button("Open", variant="primary", scale=1)
    mistake = gr.HTML()
    with gr.Row():
        kind = gr.Dropdown([ANY], value=ANY, label="Class")
        verdict = gr.Dropdown([ANY], value=ANY, label="Kept, or why not")
        words = gr.Textbox("", label="Search", placeholder="words of the prompt, an id, a reason")
        order = gr.Dropdown(list(ORDERS), value=ORDERS[0], label="Order")
        flagged = gr.Checkbox(False, label="Flagged pairs alone")
    with gr.Row():
        low = gr.Slider(0, 1, value=0, step=0.01, label="Quality from")
        high = gr.Slider(0, 1, value=1, step=0.01, label="to")
        masks = gr.Checkbox(True, label="Masks")
        opacity = gr.Slider(0, 1, value=Look.opacity, step=0.05, label="Opacity")
        place = gr.Number(1, precision=0, minimum=1, label="Page")
    said = gr.Markdown()
    pairs = gallery(gr, "Pairs", columns=6, allow_preview=False)
    with gr.Row():
        with gr.Column(scale=2, min_width=320):
            large = gr.Image(type="pil", format="png", label="Pair", show_label=False, height=520)
        with gr.Column(scale=1, min_width=280):
            about = gr.Textbox(label="What it is", interactive=False, lines=3)
            why = gr.Textbox(label="What is wrong with it", placeholder="the mask misses the tail")
            mark, unmark = gr.Button("Flag"), gr.Button("Take the flag off")
            marked = gr.Markdown()

    def opened(text: str, table: str) -> tuple:
        def ask() -> tuple:
            own = Shelf.of(text, table)
            listed = sorted({label for entry in own.entries for label in entry.classes})
            said = [ANY, KEPT, DROPPED, *own.kinds] if own.kinds else [ANY]
            choices = (gr.update(choices=own, value=ANY) for own in ([ANY, *listed], said))
            return own, *choices, 1

        return answered(ask, (None, gr.update(), gr.update(), 1))

    def found(
        own: Shelf | None, label: str, why: str, text: str, sort: str, only: bool, least: float, most: float,
        with_masks: bool, fill: float, number: float | None,
    ) -> tuple:  # fmt: skip
        if own is None:
            return [], "", []
        fitting = own.found(Wanted(label, least, most, text, only, sort, why))
        first = (max(1, int(number or 1)) - 1) * PAGE
        shown = fitting[first : first + PAGE]
        pictures = [(own.picture(entry, Look(fill), with_masks), own.caption(entry)) for entry in shown]
        pages = max(1, -(-len(fitting) // PAGE))
        told = f"{len(fitting)} of {len(own.entries)} pairs, page {first // PAGE + 1} of {pages}"
        if own.left_out:
            told += (
                f". A filter left {own.left_out} out of this dataset: to see them, open the one before, with "
                "this folder as what a filter made of it"
            )
        return shown, told, pictures

    def looked_at(own: Shelf, shown: list[Entry], fill: float, event: Any) -> tuple:
        entry = shown[event.index]
        picture = own.picture(entry, Look(fill))
        return entry, picture, own.caption(entry), own.flags.get(entry.id, ""), ""

    looked_at.__annotations__["event"] = gr.SelectData  # by which gradio knows what to give

    def flag(own: Shelf | None, entry: Entry | None, text: str, put: bool) -> str:
        if own is None or entry is None:
            return "Choose a pair first."
        file = own.flag(entry, text) if put else own.unflag(entry)
        leaving = f"attnmask filter --data {own.data} --flags {file} --out …"
        return f"{len(own.flags)} flagged; `{leaving}` leaves them out."

    wanted = [shelf, kind, verdict, words, order, flagged, low, high, masks, opacity, place]
    listed = [entries, said, pairs]
    opening = [go.click, name.submit, filtered.submit]
    gr.on(opening, opened, [name, filtered], [mistake, shelf, kind, verdict, place]).then(
        found, wanted, listed
    )
    changes = [kind.input, verdict.input, words.submit, order.input, flagged.input, low.release, high.release]
    gr.on(changes, lambda: 1, None, [place]).then(found, wanted, listed)
    gr.on([masks.input, opacity.release, place.input], found, wanted, listed)
    pairs.select(looked_at, [shelf, entries, opacity], [chosen, large, about, why, marked])
    for button, put in ((mark, True), (unmark, False)):
        button.click(
            lambda own, entry, text, put=put: flag(own, entry, text, put), [shelf, chosen, why], [marked]
        ).then(found, wanted, listed)
