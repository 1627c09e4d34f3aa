"""Every attention layer has its place, and its level is that of its grid."""

import pytest

from diffusers_attnmask.attention.sites import grid_at
from diffusers_attnmask.attention.tap import tapped
from diffusers_attnmask.families.unet import unet_sites
from tests.small_models import FAMILIES, sd15

BUILDS = FAMILIES | {"three levels": lambda: sd15(levels=3)}


@pytest.mark.parametrize("size", [(16, 16), (17, 13)])
@pytest.mark.parametrize("build", BUILDS)
def test_levels_are_those_of_the_grids_that_run(build, size):
    pipe = BUILDS[build]()
    sites = unet_sites(pipe.unet)
    assert {f"{site.name}.processor" for site in sites} == set(pipe.unet.attn_processors)
    queries = {}

    def listener(site):
        return lambda comparison: queries.update({site: comparison.query.shape[2]})

    with tapped({site.module: listener(site) for site in sites}):
        pipe("a dog", num_inference_steps=1, height=size[0] * 8, width=size[1] * 8, output_type="latent")
    for site in sites:
        height, width = grid_at(size, site.stride)
        assert queries[site] == height * width, site.name
        assert site.reads_text == site.name.endswith("attn2")
    assert [site.depth for site in sites] == sorted(site.depth for site in sites)
    assert (sites[0].depth, sites[-1].depth) == (0, 1)


def test_a_grid_is_halved_rounding_up():
    assert [grid_at((17, 8), 2**level) for level in range(4)] == [(17, 8), (9, 4), (5, 2), (3, 1)]


def test_an_absent_level_is_refused_by_name():
    from diffusers_attnmask import DiffuMaskPipeline

    pipe = DiffuMaskPipeline.from_pipe(sd15(levels=3))
    with pytest.raises(ValueError, match=r"\[0, 1, 2\].*\[3\]"):
        pipe("a dog", classes=["dog"], mask_method="diffumask", mask_options={"levels": (3,)})
