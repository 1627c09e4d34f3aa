"""Transformers that were altered after loading keep the contract: LoRAs, fused layers, caches, offloading."""

import pytest
import torch
from diffusers import FirstBlockCacheConfig, PyramidAttentionBroadcastConfig

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import check_supported
from diffusers_attnmask.methods import Daam
from tests.diffusers_attnmask.families.test_transformers import check_text_columns, fitting, run
from tests.small_models import with_lora
from tests.small_models.transformers import TRANSFORMERS


def check_images(small, pipe, **options):
    """Bitwise equal with masks by the family's default method, and by text columns; masks are not empty."""
    options = {**small.guided, **options}
    plain = run(pipe, return_dict=False, **options)[0]
    masked = DiffuMaskPipeline.from_pipe(pipe)
    for method in dict.fromkeys((check_supported(pipe).default_method, "daam")):
        out = run(masked, classes=["dog", "cat"], mask_method=method, **options)
        assert torch.equal(out.images, plain), method
        assert out.heatmaps[0].std() > 1e-3, method
    return plain


@pytest.mark.parametrize("name", ["sd3", "flux", "qwen-image"])
def test_loras_weigh_in_images_and_masks(name):
    """Two at once, each with a weight of its own; fused into the layers they come to the same."""
    small = TRANSFORMERS[name]
    pipe = small.build(fresh=True)
    without = run(pipe, **small.guided).images
    with_lora(with_lora(pipe, name="first"), name="second")
    pipe.set_adapters(["first", "second"], [0.5, 0.8])
    assert not torch.equal(check_images(small, pipe), without)
    check_text_columns(small, pipe)

    options = {"classes": ["dog", "cat"], "num_inference_steps": 1, **small.unguided}
    masked = DiffuMaskPipeline.from_pipe(pipe)
    methods = [own for own in fitting(pipe) if own in ("concept-attention", "daam")]
    apart = [run(masked, mask_method=own, **options) for own in methods]
    pipe.fuse_lora()
    check_images(small, pipe, num_inference_steps=1)
    for method, own in zip(methods, apart, strict=True):
        fused = run(masked, mask_method=method, **options)
        assert torch.allclose(fused.heatmaps[0], own.heatmaps[0], atol=1e-3), method


@pytest.mark.parametrize(
    ("name", "changes"),
    [("sd3", {"dual_attention_layers": ()}), ("flux", {}), ("pixart", {})],  # diffusers fuses no dual layers
)
def test_fused_projections_are_heard(name, changes):
    small = TRANSFORMERS[name]
    pipe = small.build(fresh=True, **changes)
    pipe.transformer.fuse_qkv_projections()
    check_images(small, pipe)
    check_text_columns(small, pipe)


@pytest.mark.parametrize("name", ["flux", "qwen-image"])
def test_blocks_that_a_cache_skips_are_not_counted(name):
    """The first block runs at every step, the others at the first alone."""
    small = TRANSFORMERS[name]
    pipe = small.build(fresh=True)
    options = {"num_inference_steps": 4, **small.unguided}
    before = run(pipe, **options).images
    pipe.transformer.enable_cache(FirstBlockCacheConfig(threshold=100.0))
    cached = check_images(small, pipe, num_inference_steps=4)
    assert not torch.equal(run(pipe, **options).images, before)
    assert cached.shape == before.shape
    with trace(pipe, classes=["dog"], methods=Daam()) as traced:
        run(pipe, **options)
    counts = [mean.seen for mean in traced.recorder.means.values()]
    assert counts == [4] + [1] * (len(counts) - 1)


def test_attention_that_a_cache_broadcasts_is_not_counted():
    small = TRANSFORMERS["flux"]
    pipe = small.build(fresh=True)
    pipe.transformer.enable_cache(
        PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=2,
            spatial_attention_timestep_skip_range=(0, 1000),
            current_timestep_callback=lambda: 500,
        )
    )
    check_images(small, pipe, num_inference_steps=4)


@pytest.mark.parametrize(("name", "kind"), [("sd3", "leaf_level"), ("flux", "block_level")])
def test_groups_may_be_offloaded(name, kind):
    small = TRANSFORMERS[name]
    pipe = small.build(fresh=True)
    groups = {"num_blocks_per_group": 1} if kind == "block_level" else {}
    pipe.transformer.enable_group_offload(torch.device("cpu"), offload_type=kind, **groups)
    check_images(small, pipe)


@pytest.mark.parametrize("name", ["sd3", "flux2", "z-image", "sana", "hidream"])
def test_layers_may_be_stored_in_eight_bits(name):
    small = TRANSFORMERS[name]
    pipe = small.build(fresh=True, dtype=torch.bfloat16)
    pipe.transformer.enable_layerwise_casting(torch.float8_e4m3fn, torch.bfloat16)
    check_images(small, pipe, num_inference_steps=1)
