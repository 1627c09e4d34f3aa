"""Masks of images that exist already."""

import numpy as np
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families.base import diffused, flowed
from diffusers_attnmask.methods import Daam
from tests.small_models import FAMILIES, derived, picture, sd15


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("method", ["daam", "diffumask", "dataset-diffusion", "ovam"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_image_gets_masks_of_its_own_size(family, method):
    pipe = DiffuMaskPipeline.from_pipe(FAMILIES[family]())
    image = picture(size=100)
    out = pipe.segment(
        image, "a dog and a cat", ["dog", "cat"], strength=0.5, mask_method=method, generator=seeded()
    )
    assert out.masks[0].size == (100, 100)
    assert out.heatmaps[0].shape == (2, 100, 100)
    assert out.heatmaps[0].std() > 1e-3
    assert out.overlay(0).width == 100
    assert out.class_names == ["background", "dog", "cat"]


def test_a_batch_of_images_has_prompts_and_classes_of_its_own():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    images = [picture(0), picture(1)]
    out = pipe.segment(images, ["a dog", "a cat"], [["dog"], ["cat"]], looks=3, output_type="np")
    assert out.masks.shape == (2, 128, 128)
    assert out.class_names == [["background", "dog"], ["background", "cat"]]


def kinds_of(picture):
    pixels = np.asarray(picture)
    return {
        "array": pixels,
        "floats": pixels.astype(np.float32) / 255,
        "tensor": torch.from_numpy(pixels).permute(2, 0, 1) / 255,
        "opaque": picture.convert("RGBA"),
    }


@pytest.mark.parametrize("kind", ["array", "floats", "tensor", "opaque"])
def test_a_picture_of_any_kind_gets_the_same_masks(kind):
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    expected = pipe.segment(picture(), "a dog", ["dog"], generator=seeded())
    out = pipe.segment(kinds_of(picture())[kind], "a dog", ["dog"], generator=seeded())
    assert torch.allclose(out.heatmaps[0], expected.heatmaps[0], atol=1e-5)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1"])
def test_pictures_of_every_mode_are_seen(mode):
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    out = pipe.segment(picture().convert(mode), "a dog", ["dog"], generator=seeded())
    assert out.heatmaps[0].std() > 1e-3


def test_a_tiny_picture_is_seen_at_the_models_size():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    out = pipe.segment(picture().resize((7, 5)), "a dog", ["dog"], mask_method="daam", generator=seeded())
    assert out.masks[0].size == (7, 5)
    assert out.heatmaps[0].std() > 1e-3
    assert (np.asarray(out.masks[0]) == 1).any()


@pytest.mark.parametrize(("res", "latents"), [(None, (16, 12)), (0, (25, 19)), (64, (8, 6))])
def test_a_large_picture_is_seen_at_the_models_size_or_as_asked(res, latents):
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    seen = []
    pipe.unet.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape[-2:])))
    out = pipe.segment(picture(size=200).resize((150, 200)), "a dog", ["dog"], processing_res=res)
    assert seen == [latents]
    assert out.masks[0].size == (150, 200)


def test_images_of_several_sizes_are_refused():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    with pytest.raises(ValueError, match="100×100, 128×128"):
        pipe.segment([picture(), picture(size=100)], ["a dog", "a cat"], ["dog"])


@pytest.mark.parametrize("spoilt", [0, 1, 2])
def test_looks_that_are_not_numbers_are_left_out_and_counted(spoilt):
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    passes = []

    def spoil(module, inputs, output):
        passes.append(None)
        return output * float("nan") if len(passes) <= spoilt else output

    pipe.unet.conv_in.register_forward_hook(spoil)
    method = Daam(levels=(1,))
    with trace(pipe, classes=["dog"], methods=method) as traced:
        layers = {site.name for site in traced.sites if traced.readings[0].covers(site)}
    out = pipe.segment(picture(), "a dog", ["dog"], looks=3, mask_method=method, generator=seeded())
    assert len(passes) == 3
    assert out.skipped_maps == spoilt * len(layers)
    assert out.heatmaps[0].isfinite().all()


def test_processors_are_put_back_and_plain_sampling_is_unchanged():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    before = dict(pipe.unet.attn_processors)
    pipe.segment(picture(), "a dog", ["dog"])
    assert all(pipe.unet.attn_processors[name] is own for name, own in before.items())


def test_looks_are_spread_up_to_the_strength():
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True))
    seen = []
    hook = pipe.unet.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[1]))
    pipe.segment(picture(), "a dog", ["dog"], strength=0.9, looks=3)
    pipe.segment(picture(), "a dog", ["dog"], strength=0.0)
    hook.remove()
    assert seen == [899, 599, 300, 0]


def test_noise_is_added_as_the_models_were_trained():
    image, noise = torch.ones(2), torch.full((2,), 2.0)
    assert torch.allclose(diffused(image, noise, torch.tensor(0.25)), torch.full((2,), 0.5 + 2 * 0.75**0.5))
    assert torch.allclose(flowed(image, noise, 0.25), torch.full((2,), 1.25))


def test_a_list_of_one_picture_gives_masks_of_its_size():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    out = pipe.segment([picture(size=100)], ["a dog"], ["dog"])
    assert out.masks[0].size == (100, 100)
    assert out.overlay(0).width == 100


def test_the_autoencoder_gets_its_precision_back_when_it_fails():
    pipe = DiffuMaskPipeline.from_pipe(FAMILIES["sdxl"](dtype=torch.float16, fresh=True))
    pipe.vae.register_to_config(force_upcast=True)

    def fail(*_):
        raise RuntimeError("out of memory")

    pipe.vae.encoder.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        pipe.segment(picture(), "a dog", ["dog"])
    assert pipe.vae.dtype == torch.float16


@pytest.mark.parametrize("options", [{"strength": 1.5}, {"looks": 0}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match=r"strength|looks"):
        DiffuMaskPipeline.from_pipe(sd15()).segment(picture(), "a dog", ["dog"], **options)


def test_images_and_prompts_must_pair_up():
    with pytest.raises(ValueError, match="2 images and 1 prompts"):
        DiffuMaskPipeline.from_pipe(sd15()).segment([picture(), picture(1)], "a dog", ["dog"])


def test_an_image_to_image_pipeline_can_segment_too():
    from diffusers import StableDiffusionImg2ImgPipeline

    pipe = DiffuMaskPipeline.from_pipe(derived(StableDiffusionImg2ImgPipeline, sd15()))
    assert pipe.segment(picture(), "a dog", ["dog"]).masks[0].size == (128, 128)
