"""The fields that several tabs ask for a picture with."""

from __future__ import annotations

from typing import Any, NamedTuple

from diffusers_attnmask.app.studio import Asked

CLASSES_INFO = "Words of the prompt, Enter after each; aeroplane=airplane,jet for a name and its phrases"
PROMPT = "a photo of a red star and a blue fish on sand"
EXAMPLES: list[tuple[str, list[str]]] = [
    (PROMPT, ["star", "fish"]),
    ("a green tree and a yellow house in snow", ["tree", "house"]),
    ("a photo of a purple mushroom on grass", ["mushroom"]),
]


class Fields(NamedTuple):
    """The components in the order of `Asked`."""

    prompt: Any
    classes: Any
    method: Any
    negative: Any
    size: Any
    steps: Any
    guidance: Any
    seed: Any

    @property
    def inputs(self) -> list[Any]:
        return list(self)


def fields(gr: Any, methods: list[str], *, classes: bool = True, method: bool = True) -> Fields:
    """The fields of a sampling; what a tab has no use for is there and hidden."""
    prompt = gr.Textbox(PROMPT, label="Prompt", lines=1, autofocus=True)
    known = list(dict.fromkeys(name for _, names in EXAMPLES for name in names))
    chips = gr.Dropdown(
        known,
        value=EXAMPLES[0][1],
        label="Classes",
        info=CLASSES_INFO,
        multiselect=True,
        allow_custom_value=True,
        visible=classes,
    )
    if classes:
        gr.Examples(list(map(list, EXAMPLES)), [prompt, chips], label="Try")
    chosen = gr.Dropdown(
        [("the model's own", ""), *((own, own) for own in methods)], value="", label="Mask method",
        visible=method,
    )  # fmt: skip
    with gr.Accordion("More", open=False):
        negative = gr.Textbox("", label="Negative prompt")
        size = gr.Number(0, precision=0, minimum=0, step=8, label="Size in pixels (0: the model's own)")
        steps = gr.Slider(1, 100, value=30, step=1, label="Steps")
        guidance = gr.Slider(1, 20, value=7.5, step=0.5, label="Guidance")
        seed = gr.Number(0, precision=0, label="Seed (-1: any)")
    return Fields(prompt, chips, chosen, negative, size, steps, guidance, seed)


def asked(values: tuple) -> Asked:
    """What stands in the fields; an empty number is its default, and an empty seed is drawn."""
    *rest, seed = values
    given = dict(zip(Asked.__dataclass_fields__, rest, strict=False))
    return Asked(**{name: value for name, value in given.items() if value is not None}, seed=seed)
