"""GoCA against its slow reference, and what it does where its definition is silent."""

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.attention.agreement import affinity, head_weights, shares
from diffusers_attnmask.methods import Goca
from diffusers_attnmask.methods.goca import layer_weights, rescaled
from diffusers_attnmask.words.alignment import content_tokens, split_prompt
from tests.diffusers_attnmask.masking.test_contract_maps import masked_run, recorded_run, sizes
from tests.diffusers_attnmask.methods.reference_goca import goca
from tests.small_models import sd15, sdxl
from tests.small_models.transformers import TRANSFORMERS

PROMPT = "a dog and a red cat, on the dining table"  # start a dog and a red cat , on the dining table end
CLASSES, TOKENS, CONTENT = ["dog", "dining table"], [[2], [10, 11]], [2, 5, 6, 10, 11]


def in_order(layers):
    return sorted(layers, key=lambda layer: ("down", "mid", "up").index(layer.place))


@pytest.mark.parametrize(("build", "self_level"), [(sd15, 1), (sdxl, 2)])
def test_maps_are_the_published_ones(build, self_level):
    size = {"height": 96, "width": 128}
    out = masked_run(
        build(), PROMPT, classes=CLASSES, mask_method=Goca(steps=(0.3, 1.0), self_level=self_level), **size
    )
    layers = in_order(recorded_run(build(), PROMPT, **size))
    expected = goca(layers, 1, TOKENS, CONTENT, **sizes((96, 128)), steps=[1, 2], self_level=self_level)
    np.testing.assert_allclose(out.heatmaps[0], np.clip(expected, 0, 1), atol=1e-4)


def test_each_image_of_a_batch_has_the_maps_that_it_has_alone():
    """Prompts with more and with less content: shorter ones do not count what fills them up."""
    prompts, classes = [PROMPT, "a cat on a boat"], [CLASSES, ["cat"]]
    noise = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    both = masked_run(sd15(), prompts, classes=classes, mask_method="goca", latents=noise)
    for index in range(2):
        alone = masked_run(
            sd15(),
            prompts[index],
            classes=classes[index],
            mask_method="goca",
            latents=noise[index : index + 1],
        )
        assert torch.allclose(both.heatmaps[index], alone.heatmaps[0], atol=1e-4)


def test_content_is_what_is_neither_a_stop_word_nor_punctuation_nor_special():
    split = split_prompt(sd15().tokenizer, PROMPT)
    assert content_tokens([split]) == tuple(CONTENT)


def test_weights_of_heads_are_shares_of_the_output_that_they_sum_to():
    outputs, projection = torch.randn(2, 3, 5, 4), torch.randn(7, 12)
    weights = head_weights(outputs, projection)
    for image, place in np.ndindex(2, 5):
        parts = [projection[:, 4 * head : 4 * head + 4] @ outputs[image, head, place] for head in range(3)]
        expected = torch.stack([part @ sum(parts) for part in parts])
        assert torch.allclose(weights[image, :, place], expected / expected.sum(), atol=1e-4)


def test_a_layer_counts_for_as_much_as_it_agrees():
    reference = affinity(torch.randn(1, 64, 8))[0]
    weights = layer_weights([reference, torch.ones(64, 64)], reference)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] > weights[1] > 0


def test_cells_share_out_every_place_whatever_the_resolution():
    for length in (2, 8, 11, 64):
        parts = shares(length, 8, torch.device("cpu"))
        assert torch.allclose(parts.sum(1), torch.ones(length))
        assert torch.allclose(parts.sum(0), torch.full((8,), length / 8))


def test_rescaling_may_be_left_out():
    options = {"classes": ["dog"], "mask_method": "goca"}
    divided, plain = (
        masked_run(sd15(), PROMPT, mask_options={"rescale": rescale}, **options).heatmaps[0]
        for rescale in (True, False)
    )
    assert not torch.allclose(divided, plain, atol=1e-2)
    assert plain.std() > 1e-3


def test_a_class_that_is_all_the_content_keeps_its_map():
    maps = torch.rand(1, 4, 4)
    assert torch.equal(rescaled(maps, maps[0], [False]), maps)
    assert torch.allclose(rescaled(maps, maps[0] * 2, [True]), torch.full((1, 4, 4), 0.5))
    out = masked_run(sd15(), "a dog", classes=["dog"], mask_method="goca")
    assert out.heatmaps[0].std() > 1e-3


def test_blocks_with_one_stream_are_weighed_by_what_they_project_together():
    pipe = TRANSFORMERS["flux"].build()
    with trace(pipe, classes=["dog"], methods=Goca()) as traced:
        pass
    (single,) = (site for site in traced.sites if site.name == "single_transformer_blocks.0.attn")
    assert single.projection is pipe.transformer.single_transformer_blocks[0].proj_out


def test_quantized_projections_are_refused_before_sampling():
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    layer = pipe.unet.down_blocks[0].attentions[0].transformer_blocks[0].attn2.to_out[0]
    layer.weight = torch.nn.Parameter(torch.zeros(8, 1, dtype=torch.uint8), requires_grad=False)
    with pytest.raises(ValueError, match="quantized or absent: use mask_method='daam'"):
        pipe("a dog", classes=["dog"], mask_method="goca")


def test_what_is_kept_of_a_site_is_small():
    """Beside the one matrix of all places, which other methods keep too."""
    pipe = sd15()
    with trace(pipe, classes=["dog"], methods=Goca()) as traced:
        pipe("a dog and a cat", num_inference_steps=1, output_type="latent")
    kept = [record.total.numel() for record in traced.recorder.means.values()]
    places = 16 * 16
    assert max(kept) <= max(64 * 64, 2 * places)
