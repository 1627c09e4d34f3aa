"""The pipeline is the family's own: it loads, saves, calls back and returns as users of diffusers expect."""

import base64
import inspect
import io
import json
import re

import numpy as np
import pytest
import torch
from diffusers import (
    DiffusionPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

import diffusers_attnmask
from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.ground.palette import SAFE_PALETTE
from diffusers_attnmask.masking.pipeline import masking_class
from tests.small_models import FAMILIES, derived, picture, safety_checker, sd15, sd21, sdxl

CALL = {"num_inference_steps": 2, "output_type": "pt"}
OWN_CLASS = {
    "sd15": StableDiffusionPipeline,
    "sd21": StableDiffusionPipeline,
    "sdxl": StableDiffusionXLPipeline,
}


def run(pipe, prompt="a dog and a cat", **options):
    return pipe(prompt, generator=torch.Generator().manual_seed(5), **(CALL | options))


@pytest.fixture(scope="module", params=FAMILIES)
def saved(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    FAMILIES[request.param]().save_pretrained(folder)
    return request.param, folder


def test_from_pretrained_is_also_the_familys_own_class(saved):
    family, folder = saved
    pipe = DiffuMaskPipeline.from_pretrained(folder)
    assert isinstance(pipe, DiffuMaskPipeline)
    assert isinstance(pipe, OWN_CLASS[family])
    assert_same_weights(pipe, FAMILIES[family]())
    pipe.set_progress_bar_config(disable=True)
    plain = OWN_CLASS[family].from_pipe(pipe)
    plain.set_progress_bar_config(disable=True)
    assert torch.equal(run(pipe, classes=["dog"]).images, run(plain).images)


def assert_same_weights(one, other):
    for name in ("unet", "vae", "text_encoder"):
        expected = getattr(other, name).state_dict()
        for key, weights in getattr(one, name).state_dict().items():
            assert torch.equal(weights, expected[key]), f"{name}.{key}"


def test_from_pretrained_takes_the_options_of_the_familys_own(saved):
    family, folder = saved
    pipe = DiffuMaskPipeline.from_pretrained(str(folder), dtype=torch.bfloat16, vae=FAMILIES[family]().vae)
    assert pipe.unet.dtype == torch.bfloat16
    assert pipe.vae is FAMILIES[family]().vae


def test_what_it_saves_is_a_plain_model_folder(saved, tmp_path):
    family, folder = saved
    DiffuMaskPipeline.from_pretrained(folder).save_pretrained(tmp_path)
    assert (
        json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == OWN_CLASS[family].__name__
    )
    plain = DiffusionPipeline.from_pretrained(tmp_path)
    assert type(plain) is OWN_CLASS[family]
    again = DiffuMaskPipeline.from_pretrained(tmp_path)
    for pipe in (plain, again):
        assert_same_weights(pipe, FAMILIES[family]())


@pytest.mark.parametrize("family", FAMILIES)
def test_from_pipe_shares_the_components_as_they_are(family):
    pipe = FAMILIES[family](dtype=torch.bfloat16)
    masked = DiffuMaskPipeline.from_pipe(pipe)
    assert isinstance(masked, DiffuMaskPipeline)
    assert isinstance(masked, OWN_CLASS[family])
    for name, component in pipe.components.items():
        assert getattr(masked, name) is component, name
    assert pipe.unet.dtype == torch.bfloat16


def test_from_pipe_of_an_image_to_image_pipeline_stays_one():
    pipe = derived(StableDiffusionImg2ImgPipeline, sd15())
    masked = DiffuMaskPipeline.from_pipe(pipe)
    assert isinstance(masked, StableDiffusionImg2ImgPipeline)
    options = {"image": picture(), "strength": 0.9, "num_inference_steps": 4}
    out = run(masked, classes=["dog"], **options)
    assert torch.equal(out.images, run(pipe, **options).images)
    assert out.heatmaps[0].shape == (1, 128, 128)


def test_from_pipe_of_from_pipe_is_fine():
    once = DiffuMaskPipeline.from_pipe(sd15())
    assert torch.equal(
        run(DiffuMaskPipeline.from_pipe(once), classes=["dog"]).images, run(once, classes=["dog"]).images
    )


def test_a_folder_that_is_no_model_is_an_error_that_names_it(tmp_path):
    with pytest.raises((OSError, ValueError), match=r"model_index\.json|nothing-here"):
        DiffuMaskPipeline.from_pretrained(tmp_path / "nothing-here")
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "KandinskyPipeline"}))
    with pytest.raises((TypeError, ValueError), match=r"(?s)Kandinsky.*StableDiffusion"):
        DiffuMaskPipeline.from_pretrained(tmp_path)


def test_it_is_a_custom_pipeline_of_diffusers(saved):
    family, folder = saved
    file = diffusers_attnmask.__path__[0] + "/custom_pipeline.py"
    pipe = DiffusionPipeline.from_pretrained(folder, custom_pipeline=file, trust_remote_code=True)
    assert isinstance(pipe, DiffuMaskPipeline)
    assert isinstance(pipe, OWN_CLASS[family])
    pipe.set_progress_bar_config(disable=True)
    out = run(pipe, classes=["dog"], mask_method="daam")
    loaded = DiffuMaskPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    assert torch.allclose(out.images, run(loaded).images, atol=1e-4)
    assert out.heatmaps[0].shape == (1, 128, 128)


def test_without_classes_it_is_the_plain_pipeline():
    out = run(DiffuMaskPipeline.from_pipe(sd15()))
    assert torch.equal(out.images, run(sd15()).images)
    assert out.masks is None
    assert out.heatmaps is None


def test_a_method_without_classes_is_an_error():
    with pytest.raises(ValueError, match="classes"):
        run(DiffuMaskPipeline.from_pipe(sd15()), mask_method="daam")


@pytest.mark.parametrize("build", [sd15, sdxl])
@pytest.mark.parametrize(
    ("output_type", "image_kind", "mask_kind"),
    [
        ("pil", Image.Image, Image.Image),
        ("np", np.ndarray, np.ndarray),
        ("pt", torch.Tensor, torch.Tensor),
        ("latent", torch.Tensor, torch.Tensor),
    ],
)
def test_masks_come_in_the_kind_of_the_images(build, output_type, image_kind, mask_kind):
    out = run(DiffuMaskPipeline.from_pipe(build()), classes=["dog", "cat"], output_type=output_type)
    assert isinstance(out.images[0], image_kind)
    assert isinstance(out.masks[0], mask_kind)
    mask = np.asarray(out.masks[0])
    assert mask.dtype == np.uint8
    assert mask.shape == (128, 128)
    assert set(np.unique(mask)) <= {0, 1, 2, 255}
    if output_type == "pil":
        assert out.masks[0].mode == "P"
        assert out.masks[0].getpalette()[3:9] == [*SAFE_PALETTE[1], *SAFE_PALETTE[2]]
        assert out.images[0].size == out.masks[0].size
    plain = run(build(), output_type=output_type).images
    assert np.array_equal(np.asarray(out.images[0]), np.asarray(plain[0]))


def test_every_output_type_gives_the_same_mask():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    masks = [
        np.asarray(run(pipe, classes=["dog", "cat"], output_type=kind).masks[0])
        for kind in ("pil", "np", "pt", "latent")
    ]
    assert all(np.array_equal(mask, masks[0]) for mask in masks)
    assert len(np.unique(masks[0])) > 1


@pytest.mark.parametrize("build", [sd15, sdxl])
def test_without_return_dict_the_familys_tuple_comes_first(build):
    plain = run(build(), return_dict=False)
    out = run(DiffuMaskPipeline.from_pipe(build()), classes=["dog"], return_dict=False)
    whole = run(DiffuMaskPipeline.from_pipe(build()), classes=["dog"])
    assert isinstance(out, tuple)
    assert torch.equal(out[0], plain[0])
    assert any(
        item is not None and len(item) == 1 and torch.equal(item[0], whole.heatmaps[0])
        for item in out[1:]
        if isinstance(item, (list, torch.Tensor))
    )


def test_the_output_can_be_read_by_name_and_by_key():
    out = run(DiffuMaskPipeline.from_pipe(sd15()), classes=["dog"])
    assert out["masks"] is out.masks
    assert out.class_names == ["background", "dog"]
    assert {"images", "masks", "heatmaps"} <= set(out.keys())


def test_the_callback_sees_and_steers_every_step():
    seen = []

    def steer(pipe, step, timestep, tensors):
        seen.append((step, pipe.num_timesteps))
        return {"latents": torch.zeros_like(tensors["latents"])}

    masked = run(DiffuMaskPipeline.from_pipe(sd15()), classes=["dog"], callback_on_step_end=steer)
    plain = run(sd15(), callback_on_step_end=steer)
    assert seen == [(0, 2), (1, 2)] * 2
    assert torch.equal(masked.images, plain.images)


def test_a_callback_that_interrupts_ends_the_run_as_usual():
    def stop(pipe, step, timestep, tensors):
        pipe._interrupt = True
        return {}

    masked = run(DiffuMaskPipeline.from_pipe(sd15()), classes=["dog"], callback_on_step_end=stop)
    assert torch.equal(masked.images, run(sd15(), callback_on_step_end=stop).images)
    assert masked.heatmaps[0].isfinite().all()


def test_the_progress_bar_counts_the_steps(capsys):
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    pipe.set_progress_bar_config(disable=False)
    run(pipe, classes=["dog"])
    assert "2/2" in capsys.readouterr().err
    pipe.set_progress_bar_config(disable=True)
    run(pipe, classes=["dog"])
    assert "2/2" not in capsys.readouterr().err


def test_an_image_that_the_safety_checker_blanked_has_no_sure_pixel():
    pipe = DiffuMaskPipeline.from_pipe(sd15(checker=safety_checker()))
    for output_type in ("pil", "np", "pt"):
        out = run(pipe, classes=["dog"], num_images_per_prompt=2, output_type=output_type)
        assert out.nsfw_content_detected == [True, True]
        assert all((np.asarray(mask) == 255).all() for mask in out.masks)
    harmless = DiffuMaskPipeline.from_pipe(sd15(checker=safety_checker(threshold=2.0)))
    out = run(harmless, classes=["dog"])
    assert out.nsfw_content_detected == [False]
    assert not (np.asarray(out.masks[0]) == 255).all()


def test_only_the_blanked_image_of_a_batch_is_uncertain():
    checker = safety_checker()
    seen = []

    def first_only(clip_input, images):
        seen.append(len(images))
        return images, [True] + [False] * (len(images) - 1)

    checker.forward = first_only
    out = run(DiffuMaskPipeline.from_pipe(sd15(checker=checker)), classes=["dog"], num_images_per_prompt=2)
    assert seen == [2]
    assert [(np.asarray(mask) == 255).all() for mask in out.masks] == [True, False]


def test_a_seed_gives_the_same_masks_again_and_a_batch_those_of_its_members():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    both = pipe(["a dog", "a red dog"], classes=["dog"], generator=generators, **CALL)
    for index, prompt in enumerate(["a dog", "a red dog"]):
        alone = pipe(prompt, classes=["dog"], generator=torch.Generator().manual_seed(index + 1), **CALL)
        assert torch.allclose(alone.heatmaps[0], both.heatmaps[index], atol=1e-4)


def test_overlay_and_heatmap_pictures_show_the_image():
    out = run(DiffuMaskPipeline.from_pipe(sd15()), classes=["dog", "cat"], output_type="pil")
    overlay, heat = out.overlay(0), out.heatmap_picture(0, "cat")
    for shown in (overlay, heat):
        assert isinstance(shown, Image.Image)
        assert shown.width >= 128
        assert shown.height >= 128
    assert not np.array_equal(np.asarray(heat), np.asarray(out.heatmap_picture(0, "dog")))
    with pytest.raises(ValueError, match=r"(?s)horse.*dog"):
        out.heatmap_picture(0, "horse")
    with pytest.raises((IndexError, ValueError), match="1"):
        out.overlay(1)


def test_a_notebook_shows_overlays_and_class_maps():
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    out = run(pipe, classes=["dog", "cat"], output_type="pil")
    page = out._repr_html_()
    assert re.findall(r'alt="([^"]*)"', page) == ["masks", "dog", "cat"]
    first = Image.open(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]*)", page)[1])))
    assert np.array_equal(np.asarray(first), np.asarray(out.overlay(0)))
    assert Image.open(io.BytesIO(out._repr_png_())).width >= 128
    assert re.findall(r'alt="([^"]*)"', run(pipe, output_type="pil")._repr_html_()) == ["image"]


@pytest.mark.parametrize("output_type", ["np", "pt"])
def test_overlay_takes_arrays_and_tensors_too(output_type):
    pipe = DiffuMaskPipeline.from_pipe(sd15())
    usual = run(pipe, classes=["dog"], output_type="pil").overlay(0)
    other = run(pipe, classes=["dog"], output_type=output_type).overlay(0)
    difference = np.asarray(usual.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)
    assert abs(difference).max() <= 2


def test_pictures_of_masks_that_nobody_asked_for_say_what_to_ask_for():
    out = run(DiffuMaskPipeline.from_pipe(sd15()), output_type="pil")
    for picture_of in (out.overlay, lambda: out.heatmap_picture(0, "dog")):
        with pytest.raises(ValueError, match="call the pipeline with classes="):
            picture_of()


def test_overlay_of_latents_says_what_to_ask_for():
    with pytest.raises(ValueError, match="output_type"):
        run(DiffuMaskPipeline.from_pipe(sd21()), classes=["dog"], output_type="latent").overlay(0)


@pytest.mark.parametrize("family", FAMILIES)
def test_its_call_has_the_familys_parameters_and_those_of_masks(family):
    pipe = FAMILIES[family]()
    own, masked = (
        inspect.signature(p.__call__).parameters for p in (pipe, DiffuMaskPipeline.from_pipe(pipe))
    )
    added = ["classes", "mask_method", "mask_options", "mask_prompt", "instances", "drop_absent"]
    assert [name for name in masked if name not in added and name != "kwargs"] == [
        n for n in own if n != "kwargs"
    ]
    assert [name for name in masked if name in added] == added
    assert all(masked[name].default == parameter.default for name, parameter in own.items())


def test_from_pipe_of_another_class_gives_a_pipeline_of_that_class():
    pipe = masking_class(StableDiffusionImg2ImgPipeline).from_pipe(sd15())
    assert isinstance(pipe, DiffuMaskPipeline)
    assert isinstance(pipe, StableDiffusionImg2ImgPipeline)
    pipe.set_progress_bar_config(disable=True)
    out = run(pipe, classes=["dog"], image=picture(), strength=0.9, num_inference_steps=4)
    assert out.heatmaps[0].shape == (1, 128, 128)


@pytest.mark.parametrize("name", ["dtype", "torch_dtype"])
def test_from_pipe_takes_a_dtype(name):
    pipe = DiffuMaskPipeline.from_pipe(sd15(fresh=True), **{name: torch.bfloat16})
    assert pipe.unet.dtype == torch.bfloat16


def test_from_pipe_refuses_a_component_that_the_class_does_not_have():
    with pytest.raises(TypeError, match="no component adapter"):
        DiffuMaskPipeline.from_pipe(sd15(), adapter=object())
