"""The app's page: tabs over one model, and those that others add. gradio is imported as it is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from diffusers_attnmask.app.studio import Studio
from diffusers_attnmask.app.tabs import compare_tab, picture_tab, sample_tab, words_tab

TABS: Mapping[str, Callable[[Any, Studio], None]] = {
    "Sample": sample_tab,
    "Compare": compare_tab,
    "Picture": picture_tab,
    "Prompt attention": words_tab,
}
STYLE = """
.mistake, .absent { margin: 0; padding: .6em .8em; border-left: 4px solid var(--color-accent); }
"""


def gradio() -> Any:
    """The library, which reports nothing to its makers; or one line that says how to get it."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio as module
    except ImportError as reason:
        raise OSError("the app needs gradio: pip install 'diffusers-attnmask[app]'") from reason
    return module


def page(
    studio: Studio, title: str = "attnmask", more: Mapping[str, Callable[[Any], None]] | None = None
) -> Any:
    """The page as gradio's Blocks. more: tabs that need no model, by name."""
    gr = gradio()
    with gr.Blocks(title=title) as blocks:
        gr.Markdown(f"# {title}\nPictures with class masks, from what the model attends to.")
        for name, lay_out in TABS.items():
            with gr.Tab(name):
                lay_out(gr, studio)
        for name, lay_out_more in (more or {}).items():
            with gr.Tab(name):
                lay_out_more(gr)
    return blocks


def serve(studio: Studio, more: Mapping[str, Callable[[Any], None]] | None = None, **launch: Any) -> Any:
    """Serve the page, as `launch` of gradio's Blocks says where, in looks of its own, which follow the
    browser's light or dark mode; what gradio itself refuses is shown, too."""
    blocks = page(studio, more=more)
    return blocks.launch(theme=gradio().themes.Soft(), css=STYLE, show_error=True, **launch)
