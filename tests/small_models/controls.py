"""What ControlNets and T2I-Adapters add to the small models."""

from __future__ import annotations

import functools

from diffusers import FluxControlNetModel, SanaControlNetModel, SD3ControlNetModel, T2IAdapter

from tests.small_models.cross_transformers import SANA_SHAPE
from tests.small_models.flow_parts import spread_out
from tests.small_models.seeds import seeded
from tests.small_models.transformers import FLUX_SHAPE, SD3_SHAPE


@functools.cache
def flux_controlnet():
    with seeded("flux controlnet"):
        return spread_out(FluxControlNetModel(**FLUX_SHAPE | {"num_layers": 1, "num_single_layers": 0}))


@functools.cache
def sd3_controlnet(**changes):
    own = {"num_layers": 1, "dual_attention_layers": (), **changes}
    with seeded("sd3 controlnet"):
        return spread_out(SD3ControlNetModel(**SD3_SHAPE | own))


@functools.cache
def sana_controlnet():
    with seeded("sana controlnet"):
        return spread_out(SanaControlNetModel(**SANA_SHAPE | {"num_layers": 1}))


@functools.cache
def adapter(channels, kind="full_adapter", downscale=8):
    with seeded("adapter"):
        return T2IAdapter(3, list(channels), 1, downscale, kind).eval()
