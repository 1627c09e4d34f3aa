"""Asking for masks never changes the image: bitwise equality with the plain pipeline, in every setting."""

import accelerate
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline

from diffusers_attnmask import DiffuMaskPipeline, trace
from tests.pairwise import pairwise
from tests.small_models import (
    FAMILIES,
    SCHEDULERS,
    controlnet,
    derived,
    picture,
    sd15,
    with_ip_adapter,
    with_lora,
)

METHODS = ("daam", "diffumask", "dataset-diffusion", "ovam", "goca")
PROMPTS = ["a dog and a cat", "a cat next to a dog", "a photo of the dog with a red cat"]
EVERY_METHOD_AND_XL = [*(("sd15", method) for method in METHODS), ("sdxl", "dataset-diffusion")]
CALL = {"num_inference_steps": 2, "guidance_scale": 5.0, "output_type": "pt"}

# The switches of a call, each with the values it is tested at. What is switched on a pipeline itself (slices,
# offload, adapters) has tests of its own below.
SWITCHES = {
    "method": METHODS,
    "family": tuple(FAMILIES),
    "scheduler": tuple(SCHEDULERS),
    "dtype": (torch.float32, torch.bfloat16),
    "prompt": (PROMPTS[0], PROMPTS),
    "num_images_per_prompt": (1, 2),
    "size": ((128, 128), (192, 128), (136, 120)),  # the last is divided by no level
    "guidance": ({}, {"guidance_scale": 1.0}, {"guidance_rescale": 0.7}),
    "negative_prompt": (None, "a blue car"),
}


def images_of(pipe, prompt=PROMPTS[0], **options):
    return pipe(prompt, generator=torch.Generator().manual_seed(7), **(CALL | options))


def appended(prompt, method):
    """The prompt that dataset-diffusion samples from, by its published form."""
    if method != "dataset-diffusion":
        return prompt
    return [appended(one, method) for one in prompt] if isinstance(prompt, list) else f"{prompt}; dog cat"


def assert_same_images_with_masks(pipe, method, **options):
    options = {"prompt": PROMPTS[0]} | options
    plain = images_of(pipe, **options | {"prompt": appended(options["prompt"], method)}).images
    processors = dict(pipe.unet.attn_processors)

    out = images_of(DiffuMaskPipeline.from_pipe(pipe), classes=["dog", "cat"], mask_method=method, **options)

    assert torch.equal(out.images, plain)
    assert len(out.heatmaps) == len(out.masks) == len(plain)
    for heatmaps in out.heatmaps:
        assert heatmaps.shape == (2, *plain.shape[-2:])
        assert heatmaps.dtype == torch.float32
        assert heatmaps.isfinite().all()
        assert heatmaps.std() > 1e-3
    assert_same_processors(pipe, processors)


def assert_same_processors(pipe, before):
    after = pipe.unet.attn_processors
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_image_is_the_plain_pipelines_image(method, family):
    assert_same_images_with_masks(FAMILIES[family](), method)


@pytest.mark.parametrize("switched", pairwise(SWITCHES), ids=lambda row: f"{row['method']}-{row['family']}")
def test_image_is_the_same_when_switches_combine(switched):
    """Every two values of two switches meet: each method with each family, each scheduler with each size."""
    options = dict(switched)
    family, scheduler, dtype = (options.pop(name) for name in ("family", "scheduler", "dtype"))
    height, width = options.pop("size")
    options |= options.pop("guidance")
    assert_same_images_with_masks(
        FAMILIES[family](scheduler=scheduler, dtype=dtype), height=height, width=width, **options
    )


@pytest.mark.parametrize(("family", "slices"), [("sd15", "auto"), ("sd15", 1), ("sdxl", "max")])
@pytest.mark.parametrize("method", METHODS)
def test_sliced_attention_keeps_working(method, family, slices):
    pipe = FAMILIES[family](fresh=True)
    pipe.enable_attention_slicing(slices)
    pipe.vae.enable_slicing()
    pipe.vae.enable_tiling()
    assert_same_images_with_masks(pipe, method, prompt=PROMPTS[:2])


@pytest.mark.parametrize("method", METHODS)
def test_sliced_attention_gives_the_same_maps(method):
    sliced = sd15(fresh=True)
    sliced.enable_attention_slicing(1)
    options = {"classes": ["dog", "cat"], "mask_method": method}
    usual = images_of(DiffuMaskPipeline.from_pipe(sd15()), **options)
    piecewise = images_of(DiffuMaskPipeline.from_pipe(sliced), **options)
    assert torch.allclose(usual.heatmaps[0], piecewise.heatmaps[0], atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_fused_projections_keep_working(method):
    pipe = sd15(fresh=True)
    pipe.fuse_qkv_projections(vae=False)
    assert_same_images_with_masks(pipe, method)


@pytest.mark.parametrize("method", METHODS)
def test_explicit_softmax_processors_keep_working(method):
    from diffusers.models.attention_processor import AttnProcessor

    pipe = sd15(fresh=True)
    pipe.unet.set_attn_processor(AttnProcessor())
    assert_same_images_with_masks(pipe, method)


@pytest.mark.parametrize(("family", "method"), EVERY_METHOD_AND_XL)
def test_model_offload_hooks_keep_working(method, family):
    pipe = FAMILIES[family](fresh=True)
    hook = None
    for name in pipe.model_cpu_offload_seq.split("->"):
        if getattr(pipe, name) is not None:
            _, hook = accelerate.cpu_offload_with_hook(getattr(pipe, name), "cpu", prev_module_hook=hook)
    assert_same_images_with_masks(pipe, method)


@pytest.mark.parametrize("method", METHODS)
def test_sequential_offload_hooks_keep_working(method):
    """The weights are on the meta device but for the moment in which their own module runs."""
    pipe = sd15(fresh=True)
    for model in (pipe.unet, pipe.vae, pipe.text_encoder):
        accelerate.cpu_offload(model, "cpu")
    assert next(pipe.unet.parameters()).device.type == "meta"
    assert_same_images_with_masks(pipe, method)


@pytest.mark.parametrize(("family", "method"), EVERY_METHOD_AND_XL)
def test_a_loaded_lora_keeps_working(method, family):
    pipe = FAMILIES[family](fresh=True)
    without = images_of(pipe).images
    with_lora(pipe)
    assert not torch.equal(images_of(pipe).images, without)
    assert_same_images_with_masks(pipe, method)
    assert_same_images_with_masks(pipe, method, cross_attention_kwargs={"scale": 0.5})


@pytest.mark.parametrize(("family", "method"), EVERY_METHOD_AND_XL)
def test_an_ip_adapter_keeps_working(method, family):
    pipe = with_ip_adapter(FAMILIES[family](fresh=True))
    assert not torch.equal(*(images_of(pipe, ip_adapter_image=picture(seed)).images for seed in (0, 1)))
    assert_same_images_with_masks(pipe, method, ip_adapter_image=picture())


def test_an_ip_adapters_image_tokens_are_not_taken_for_words():
    """At scale 0 the image prompt contributes nothing, so the text maps are those without an adapter."""
    silent = with_ip_adapter(sd15(fresh=True), scale=0.0)
    options = {"classes": ["dog"], "mask_method": "daam"}
    bare = images_of(DiffuMaskPipeline.from_pipe(sd15()), **options)
    adapted = images_of(DiffuMaskPipeline.from_pipe(silent), ip_adapter_image=picture(), **options)
    assert torch.allclose(bare.heatmaps[0], adapted.heatmaps[0], atol=1e-4)


TRACED = {
    "controlnet": (controlnet, {"image": picture()}),
    "img2img": (
        lambda: derived(StableDiffusionImg2ImgPipeline, sd15()),
        {"image": picture(), "strength": 0.9, "num_inference_steps": 4},
    ),
    "inpaint": (
        lambda: derived(StableDiffusionInpaintPipeline, sd15()),
        {"image": picture(), "mask_image": picture(1).convert("L"), "num_inference_steps": 4},
    ),
    "text to image": (sd15, {}),
}


@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("kind", TRACED)
def test_traced_pipelines_give_their_own_image(kind, guidance):
    build, options = TRACED[kind]
    pipe = build()
    plain = images_of(pipe, guidance_scale=guidance, **options).images
    processors = dict(pipe.unet.attn_processors)

    with trace(pipe, classes=["dog", "cat"], methods=METHODS) as traced:
        images = images_of(pipe, guidance_scale=guidance, **options).images

    assert torch.equal(images, plain)
    assert_same_processors(pipe, processors)
    for method in METHODS:
        (heatmaps,) = traced.heatmaps_by(method)
        assert heatmaps.shape == (2, 128, 128)
        assert heatmaps.std() > 1e-3
        assert len(traced.masks(method)) == 1
