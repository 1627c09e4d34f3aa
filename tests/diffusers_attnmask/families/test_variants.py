"""The pipelines of a family that start from pictures, over the same small models."""

import diffusers
import pytest
import torch

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.families import FAMILIES, REFUSED
from diffusers_attnmask.masking.pipeline import masking_class
from tests.small_models.pictures import picture
from tests.small_models.qwen_image import qwen_controlnet
from tests.small_models.transformers import TRANSFORMERS
from tests.small_models.z_image import z_image_controlnet

PICTURE = picture().resize((96, 64))
IMG2IMG = {"image": PICTURE, "strength": 0.8}
INPAINT = {**IMG2IMG, "mask_image": PICTURE.convert("L").point(lambda value: 255 * (value > 127))}
CONTROL = {"control_image": PICTURE}
VARIANTS = {  # the family, what the call takes beside the prompt, further components
    "Flux2KleinInpaintPipeline": ("flux2-klein", INPAINT, {}),
    "Flux2Pipeline": ("flux2", {"image": PICTURE}, {}),
    "FluxImg2ImgPipeline": ("flux", IMG2IMG, {}),
    "FluxInpaintPipeline": ("flux", INPAINT, {}),
    "QwenImageControlNetPipeline": (
        "qwen-image",
        {"control_image": PICTURE},
        {"controlnet": qwen_controlnet},
    ),
    "QwenImageImg2ImgPipeline": ("qwen-image", IMG2IMG, {}),
    "QwenImageInpaintPipeline": ("qwen-image", INPAINT, {}),
    "StableDiffusion3Img2ImgPipeline": ("sd3", IMG2IMG, {}),
    "ZImageControlNetPipeline": ("z-image", CONTROL, {"controlnet": z_image_controlnet}),
    "ZImageImg2ImgPipeline": ("z-image", IMG2IMG, {}),
    "ZImageInpaintPipeline": ("z-image", INPAINT, {}),
}


def test_pipelines_that_cannot_be_read_say_why():
    assert not any(REFUSED.keys() & family.pipelines for family in FAMILIES)
    assert all(hasattr(diffusers, name) for name in REFUSED)
    with pytest.raises(TypeError, match="its prompts stand behind pictures' tokens"):
        masking_class(diffusers.QwenImageEditPipeline)


@pytest.mark.parametrize("name", VARIANTS)
def test_images_made_from_pictures_stay_the_same_and_have_masks(name):
    family, given, further = VARIANTS[name]
    small = TRANSFORMERS[family]
    components = small.build().components | {part: build() for part, build in further.items()}
    pipe = getattr(diffusers, name)(**components)
    pipe.set_progress_bar_config(disable=True)
    call = {
        "num_inference_steps": 3,
        "output_type": "pt",
        **given,
        **small.guided,
    }
    if "negative_prompt" in call:
        call["negative_prompt"] = [call["negative_prompt"]] * 2

    def run(pipe, **options):
        prompts = ["a dog and a cat", "the red cat"]
        return pipe(
            prompt=prompts, height=64, width=96, generator=torch.Generator().manual_seed(0), **call, **options
        )

    plain = run(pipe).images
    out = run(DiffuMaskPipeline.from_pipe(pipe), classes=[["dog", "cat"], ["cat"]])
    assert torch.equal(out.images, plain)
    assert [tuple(maps.shape) for maps in out.heatmaps] == [(2, 64, 96), (1, 64, 96)]
    assert all(maps.std() > 1e-3 for maps in out.heatmaps)
