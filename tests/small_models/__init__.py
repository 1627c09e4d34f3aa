"""Random but complete diffusers pipelines, small enough for a test.

Components are built once per session and shared; every function returns a new pipeline over them with a
scheduler of its own. Ask for `fresh=True` before changing weights or processors (LoRA, IP-Adapter, offload
hooks).
"""

from tests.small_models.adapters import with_ip_adapter, with_lora
from tests.small_models.denoisers import IMAGE_SIZE
from tests.small_models.pictures import picture, safety_checker
from tests.small_models.pipelines import FAMILIES, SCHEDULERS, controlnet, derived, sd15, sd21, sdxl
from tests.small_models.seeds import seeded
from tests.small_models.text import text_encoder, tokenizer

__all__ = [
    "FAMILIES",
    "IMAGE_SIZE",
    "SCHEDULERS",
    "controlnet",
    "derived",
    "picture",
    "safety_checker",
    "sd15",
    "sd21",
    "sdxl",
    "seeded",
    "text_encoder",
    "tokenizer",
    "with_ip_adapter",
    "with_lora",
]
