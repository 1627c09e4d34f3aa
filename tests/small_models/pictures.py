"""Pictures, and the networks that look at them."""

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor

from tests.small_models.denoisers import IMAGE_SIZE
from tests.small_models.seeds import seeded
from tests.small_models.text import TEXT_WIDTH

VISION_WIDTH = 16
VISION = {
    "hidden_size": VISION_WIDTH,
    "intermediate_size": 2 * VISION_WIDTH,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
    "projection_dim": VISION_WIDTH,
}


def feature_extractor():
    return CLIPImageProcessor(size=32, crop_size=32)


def safety_checker(threshold=-2.0):
    """Blanks the images whose cosine to a random concept exceeds `threshold`: by default all of them."""
    config = CLIPConfig(
        vision_config=VISION, text_config={"hidden_size": TEXT_WIDTH}, projection_dim=VISION_WIDTH
    )
    with seeded("safety checker"):
        checker = StableDiffusionSafetyChecker(config).eval()
        checker.concept_embeds.data.normal_()
        checker.concept_embeds_weights.data.fill_(threshold)
    return checker


def picture(seed=0, size=IMAGE_SIZE):
    """A blurred random RGB picture, for image conditions."""
    noise = torch.rand(8, 8, 3, generator=torch.Generator().manual_seed(seed))
    small = Image.fromarray((noise * 255).byte().numpy())
    return small.resize((size, size), Image.Resampling.BICUBIC)
