"""UNets beside the plain pipelines: guidance in three parts, and a refiner behind a base."""

import pytest
import torch
from diffusers import (
    StableDiffusion3PAGPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionPAGPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
    StableDiffusionXLPAGPipeline,
)

from diffusers_attnmask import DiffuMaskPipeline, trace
from diffusers_attnmask.families import family_of
from tests.small_models import derived, picture, sd15, sdxl
from tests.small_models.denoisers import sd15_unet, sdxl_unet
from tests.small_models.transformers import sd3

METHODS = ("daam", "diffumask", "dataset-diffusion", "ovam", "goca")
PROMPTS = ["a dog and a cat", "the red cat next to a dog"]
EVERYWHERE = ["down_blocks", "mid", "up_blocks"]


def run(pipe, prompt=PROMPTS, **options):
    call = {"num_inference_steps": 2, "output_type": "pt", "num_images_per_prompt": 2, "guidance_scale": 5.0}
    return pipe(prompt, generator=torch.Generator().manual_seed(7), **(call | options))


def instructed(build, kind, unet):
    def made():
        pipe = build()
        return derived(kind, pipe, unet=unet(in_channels=8))

    return made


def perturbed_sd3():
    """Without norms and image-only attention, of which diffusers' perturbed attention knows nothing."""
    pipe = sd3(fresh=True, qk_norm=None)
    parts = {name: part for name, part in pipe.components.items() if part is not None}
    perturbed = StableDiffusion3PAGPipeline(**parts, pag_applied_layers=["blocks.2"])
    perturbed.set_progress_bar_config(disable=True)
    return perturbed


BUILD = {
    "perturbed": lambda: derived(StableDiffusionPAGPipeline, sd15(fresh=True)),
    "perturbed XL": lambda: derived(StableDiffusionXLPAGPipeline, sdxl(fresh=True)),
    "perturbed everywhere": lambda: derived(
        StableDiffusionPAGPipeline, sd15(fresh=True), pag_applied_layers=EVERYWHERE
    ),
    "instructed": instructed(sd15, StableDiffusionInstructPix2PixPipeline, sd15_unet),
    "instructed XL": instructed(sdxl, StableDiffusionXLInstructPix2PixPipeline, sdxl_unet),
}


def options_of(pipe):
    if "Pix2Pix" in type(pipe).__name__:
        return {"image": [picture(seed) for seed in range(4)]}
    return {"pag_scale": 3.0}


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_images_stay_those_of_the_plain_pipeline(build):
    pipe = build()
    options = options_of(pipe)
    plain = run(pipe, **options).images
    processors = dict(pipe.unet.attn_processors)
    masked = DiffuMaskPipeline.from_pipe(pipe)
    for method in METHODS:
        own = {"append_classes": False} if method == "dataset-diffusion" else None
        out = run(masked, classes=["dog", "cat"], mask_method=method, mask_options=own, **options)
        assert torch.equal(out.images, plain), method
        assert len(out.heatmaps) == 4
        assert all(maps.isfinite().all() and maps.std() > 1e-4 for maps in out.heatmaps), method
        assert not torch.equal(out.heatmaps[0], out.heatmaps[1]), "each image has maps of its own"
    assert all(pipe.unet.attn_processors[name] is own for name, own in processors.items())


@pytest.mark.parametrize("build", BUILD.values(), ids=BUILD)
def test_the_part_under_the_prompts_is_read(build):
    """One step from the same noise: without guidance there is but this part."""
    pipe = DiffuMaskPipeline.from_pipe(build())
    with_all = {**options_of(pipe), "num_inference_steps": 1, "classes": ["dog", "cat"]}
    alone = with_all | {"guidance_scale": 1.0} | ({"pag_scale": 0.0} if "pag_scale" in with_all else {})
    if "pag_scale" not in with_all:
        alone["image_guidance_scale"] = 1.0
    for method in ("daam", "dataset-diffusion"):
        guided, plain = (run(pipe, mask_method=method, **options) for options in (with_all, alone))
        for own, other in zip(guided.heatmaps, plain.heatmaps, strict=True):
            assert torch.allclose(own, other, atol=1e-4), method


@pytest.mark.parametrize("guidance_scale", [1.0, 5.0])
def test_perturbed_attention_without_other_guidance_puts_the_prompts_first(guidance_scale):
    options = {"guidance_scale": guidance_scale, "num_inference_steps": 1, "mask_method": "daam"}
    for build in (BUILD["perturbed"], perturbed_sd3):
        pipe = DiffuMaskPipeline.from_pipe(build())
        perturbed, plain = (
            run(pipe, PROMPTS[0], classes=["dog"], pag_scale=scale, height=64, width=96, **options)
            for scale in (3.0, 0.0)
        )
        assert torch.allclose(perturbed.heatmaps[0], plain.heatmaps[0], atol=1e-4)
        assert not torch.equal(perturbed.images, plain.images)


@pytest.mark.parametrize("name", ["instructed", "instructed XL"])
def test_a_model_that_changes_pictures_cannot_look_at_one_alone(name):
    pipe = DiffuMaskPipeline.from_pipe(BUILD[name]())
    with pytest.raises(ValueError, match="8 channels"):
        pipe.segment(picture(), "a dog", ["dog"])


def refiner():
    """Only the second text encoder, and an aesthetic score in place of the size that is aimed at."""
    base = sdxl()
    unet = sdxl_unet(cross_attention_dim=32, projection_class_embeddings_input_dim=32 + 5 * 8)
    parts = base.components | {"text_encoder": None, "tokenizer": None, "unet": unet}
    names = ("image_encoder", "feature_extractor")
    pipe = StableDiffusionXLImg2ImgPipeline(
        **{name: part for name, part in parts.items() if name not in names},
        requires_aesthetics_score=True,
        add_watermarker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_base_and_refiner_are_each_read_in_their_part_of_the_steps():
    base, refine = sdxl(), refiner()

    def both():
        first = run(base, num_inference_steps=4, denoising_end=0.5, output_type="latent").images
        return run(
            refine,
            image=first,
            num_images_per_prompt=1,
            prompt=[own for own in PROMPTS for _ in "ab"],
            num_inference_steps=4,
            denoising_start=0.5,
        ).images

    plain = both()
    classes = ["dog", "cat"]
    with trace(base, classes=classes) as early, trace(refine, classes=classes) as late:
        assert torch.equal(both(), plain)
    for traced in (early, late):
        assert traced.recorder.step == 1, "two of the four steps each"
        for method in METHODS:
            assert all(maps.std() > 1e-4 for maps in traced.heatmaps_by(method))


def test_a_refiner_looks_at_a_picture():
    out = DiffuMaskPipeline.from_pipe(refiner()).segment(picture(), "a dog", ["dog"])
    assert out.heatmaps[0].std() > 1e-4


def test_a_family_that_cannot_be_read_says_why():
    class KolorsPipeline:
        pass

    with pytest.raises(TypeError, match="ChatGLM"):
        family_of(KolorsPipeline)
