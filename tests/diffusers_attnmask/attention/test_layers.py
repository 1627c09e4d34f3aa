"""Every attention layer has its place, and its level is that of its grid."""

import pytest

from diffusers_attnmask.attention.layers import attention_layers, grid_at
from diffusers_attnmask.attention.tap import tapped
from tests.small_models import FAMILIES, sd15

BUILDS = FAMILIES | {"three levels": lambda: sd15(levels=3)}


@pytest.mark.parametrize("size", [(16, 16), (17, 13)])
@pytest.mark.parametrize("build", BUILDS)
def test_levels_are_those_of_the_grids_that_run(build, size):
    pipe = BUILDS[build]()
    layers = attention_layers(pipe.unet)
    assert {f"{layer.name}.processor" for layer in layers} == set(pipe.unet.attn_processors)
    queries = {}

    def listener(layer):
        return lambda call: queries.update({layer: call.query.shape[2]})

    with tapped({layer.module: listener(layer) for layer in layers}):
        pipe("a dog", num_inference_steps=1, height=size[0] * 8, width=size[1] * 8, output_type="latent")
    for layer in layers:
        height, width = grid_at(size, layer.level)
        assert queries[layer] == height * width, layer.name
        assert layer.cross == layer.name.endswith("attn2")


def test_a_grid_is_halved_rounding_up():
    assert [grid_at((17, 8), level) for level in range(4)] == [(17, 8), (9, 4), (5, 2), (3, 1)]


def test_an_absent_level_is_refused_by_name():
    from diffusers_attnmask import DiffuMaskPipeline

    pipe = DiffuMaskPipeline.from_pipe(sd15(levels=3))
    with pytest.raises(ValueError, match=r"\[0, 1, 2\].*\[3\]"):
        pipe("a dog", classes=["dog"], mask_method="diffumask", mask_options={"levels": (3,)})
