"""The entry of the Space: the app, with the model and the dataset that its variables name."""

import os
from contextlib import suppress
from functools import partial

with suppress(ImportError):  # of ZeroGPU, which must see torch before anyone else
    import spaces  # noqa: F401

from dataset_builder.browsing.tab import browse_tab
from diffusers_attnmask.app.page import serve
from diffusers_attnmask.app.studio import Studio
from diffusers_attnmask.loading.load import load_pipeline

if __name__ == "__main__":
    studio = Studio(load_pipeline(os.environ.get("ATTNMASK_MODEL")))
    data = os.environ.get("ATTNMASK_DATA", "")
    serve(studio, {"Browse": partial(browse_tab, data=data)})
