"""Both bundled models paint what a prompt says, and their masks cover it."""

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, bundled_model, bundled_transformer
from tiny_world import CLASSES
from tiny_world.judge import judge

WORDS = ["tree", "house"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "arguments"),
    [(bundled_model, {}), (bundled_transformer, {"max_sequence_length": 1})],
    ids=["unet", "transformer"],
)
def test_masks_cover_what_the_oracle_sees(folder, arguments):
    pipe = DiffuMaskPipeline.from_pretrained(folder())
    pipe.set_progress_bar_config(disable=True)
    out = pipe(
        [f"a red {word}" for word in WORDS],
        classes=[[word] for word in WORDS],
        num_inference_steps=12,
        guidance_scale=3.0,
        generator=[torch.Generator().manual_seed(seed) for seed in range(len(WORDS))],
        **arguments,
    )
    for word, mask, seen in zip(WORDS, out.masks, judge(np.stack(out.images)), strict=True):
        ours, theirs = np.asarray(mask) == 1, seen == CLASSES.index(word) + 1
        assert (ours & theirs).sum() > 0.6 * (ours | theirs).sum(), word
