import pytest
import torch

from dataset_builder import random_walk
from dataset_builder.refinement.affinity.diffusion_features import decoder_features
from dataset_builder.refinement.affinity.network import AffinityNet, AffinityNetOptions
from dataset_builder.refinement.affinity.training import affinity_features
from diffusers_attnmask import DiffuMaskPipeline
from tests.small_models import picture, sd15, sdxl


@pytest.mark.parametrize("family", [sd15, sdxl])
def test_any_family_gives_features_that_affinity_and_walk_take(family):
    pipe = DiffuMaskPipeline.from_pipe(family())
    images = [picture(0), picture(1)]
    features = decoder_features(pipe, images, ["dog", "cat"], generator=torch.Generator().manual_seed(0))
    again = decoder_features(pipe, images, ["dog", "cat"], generator=torch.Generator().manual_seed(0))
    side = pipe.vae_scale_factor
    assert features.shape[0] == 2
    assert features.shape[2:] == (images[0].height // side, images[0].width // side)
    assert torch.equal(features, again) and not torch.equal(features[0], features[1])
    net = AffinityNet(
        AffinityNetOptions("features", in_channels=features.shape[1], widths=(8,), out_channels=8)
    )
    learned = affinity_features(net.eval(), features[0])
    assert random_walk(learned, torch.rand(2, *features.shape[2:])).isfinite().all()
    assert not any(block._forward_hooks for block in pipe.unet.up_blocks)


def test_coarser_blocks_have_coarser_features_and_unknown_ones_are_refused():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    fine, coarse = (decoder_features(pipe, picture(), ["dog"], block=block) for block in (-1, 0))
    assert coarse.shape[-1] < fine.shape[-1]
    with pytest.raises(ValueError, match="block=9: the decoder has"):
        decoder_features(pipe, picture(), ["dog"], block=9)
