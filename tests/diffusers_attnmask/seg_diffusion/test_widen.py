"""The widened first convolution answers to equal latents as the narrow one."""

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel

from diffusers_attnmask.seg_diffusion.widen import widen
from tests.small_models import sd15, sd21


def wide_unet():
    return widen(copy.deepcopy(sd15().unet))


@pytest.mark.parametrize("family", [sd15, sd21])
def test_equal_latents_give_the_same_answer_as_before(family):
    plain, wide = family().unet, widen(copy.deepcopy(family().unet))
    latents, text = torch.randn(2, 4, 16, 16), torch.randn(2, 7, plain.config.cross_attention_dim)
    with torch.no_grad():
        before = plain(latents, 500, text).sample
        after = wide(torch.cat([latents, latents], dim=1), 500, text).sample
    torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    assert wide.config.in_channels == 8 and wide.conv_in.in_channels == 8
    assert torch.equal(wide.conv_in.weight[:, :4], plain.conv_in.weight / 2)


def test_the_width_is_saved(tmp_path):
    wide_unet().save_pretrained(tmp_path)
    assert UNet2DConditionModel.from_pretrained(tmp_path).conv_in.in_channels == 8


def test_a_wide_unet_stays_as_it_is():
    wide = wide_unet()
    weight = wide.conv_in.weight
    assert widen(wide).conv_in.weight is weight


def test_an_inpainting_unet_is_refused():
    inpainting = UNet2DConditionModel.from_config(sd15().unet.config, in_channels=9)
    with pytest.raises(ValueError, match=r"9 channels.*inpainting"):
        widen(inpainting)
