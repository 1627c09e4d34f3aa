"""Libraries that keep to themselves what they would tell a programmer: their bars, logs and warnings."""

from __future__ import annotations

import os
import warnings

LIBRARIES = ("accelerate", "datasets", "diffusers", "huggingface_hub", "timm", "torch", "transformers")
# Read when the libraries are imported, here and in the processes that this one starts.
QUIET = {
    "DATASETS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "RAY_BACKEND_LOG_LEVEL": "error",
    "TQDM_DISABLE": "1",  # of bars that do not say themselves whether they are shown; downloads and ours do
}


def quiet_libraries() -> None:
    """Before any of them is imported. What a user has set in the environment stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for library in LIBRARIES:
        warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")
