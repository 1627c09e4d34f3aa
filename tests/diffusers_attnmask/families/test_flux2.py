"""FLUX.2's text is padded on the left, up to a length that embeddings may have of their own."""

import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline
from tests.small_models.flux2 import flux2


def run(pipe, **options):
    call = {"num_inference_steps": 2, "height": 64, "width": 96, "output_type": "pt", "classes": ["dog"]}
    return pipe(generator=torch.Generator().manual_seed(0), **(call | options))


def test_embeddings_say_how_far_their_text_is_padded():
    pipe = DiffuMaskPipeline.from_pipe(flux2())
    embeds, _ = pipe.encode_prompt("a dog and a cat", max_sequence_length=48)
    given = {"prompt_embeds": embeds, "mask_prompt": "a dog and a cat", "max_sequence_length": 64}
    spoken = run(pipe, prompt="a dog and a cat", max_sequence_length=48, mask_method="daam")
    assert torch.equal(run(pipe, mask_method="daam", **given).heatmaps[0], spoken.heatmaps[0])
    pipe.text_encoder = None
    assert torch.equal(run(pipe, mask_method="daam", **given).heatmaps[0], spoken.heatmaps[0])
    with pytest.raises(ValueError, match="without a text encoder"):
        run(pipe, mask_method="concept-attention", **given)
