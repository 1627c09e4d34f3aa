"""The entry of the Space: the app, with the model that the variable ATTNMASK_MODEL names."""

import os

from diffusers_attnmask.app.page import serve
from diffusers_attnmask.app.studio import Studio
from diffusers_attnmask.loading.load import load_pipeline

if __name__ == "__main__":
    serve(Studio(load_pipeline(os.environ.get("ATTNMASK_MODEL"))))
