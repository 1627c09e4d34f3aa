"""What diffusers' own tests ask of a pipeline class is answered as the plain class answers it."""

import inspect

import pytest
import torch
from diffusers import DiffusionPipeline

from diffusers_attnmask.masking.pipeline import masking_class
from tests.small_models import sd15
from tests.small_models.transformers import TRANSFORMERS

BUILD = {"sd15": sd15, "flux": TRANSFORMERS["flux"].build}
SIZE = {"height": 64, "width": 64}


@pytest.fixture(params=BUILD)
def plain(request):
    return BUILD[request.param]()


def masked(pipe, **components):
    made = masking_class(type(pipe))(**pipe.components | components)
    made.set_progress_bar_config(disable=True)
    return made


def run(pipe, **options):
    call = {"num_inference_steps": 2, "output_type": "pt", **SIZE}
    return pipe("a dog", generator=torch.Generator().manual_seed(0), **(call | options))


def test_text_is_encoded_without_the_other_components(plain):
    others = [name for name in plain.components if not name.startswith(("text_encoder", "tokenizer"))]
    missing = dict.fromkeys(others) | {"scheduler": plain.scheduler}
    given = {"prompt": "a dog", "device": "cpu", "num_images_per_prompt": 1}
    if "do_classifier_free_guidance" in inspect.signature(plain.encode_prompt).parameters:
        given["do_classifier_free_guidance"] = False
    own, expected = (pipe.encode_prompt(**given) for pipe in (masked(plain, **missing), plain))
    assert len(own) == len(expected)
    assert all(torch.equal(*pair) for pair in zip(own, expected, strict=True) if pair[0] is not None)


def test_callbacks_are_given_what_they_may_ask_for(plain):
    pipe = masked(plain)
    names = list(type(plain)._callback_tensor_inputs)
    seen = []

    def blank(own, step, timestep, tensors):
        seen.append(set(tensors))
        assert own is pipe
        return {"latents": torch.zeros_like(tensors["latents"])} if step == 1 else {}

    options = {"callback_on_step_end_tensor_inputs": names, "output_type": "latent"}
    out = run(pipe, classes=["dog"], callback_on_step_end=blank, guidance_scale=5.0, **options)
    assert seen == [set(names)] * 2
    assert not out.images.any()


def test_folders_hold_variants_and_load_with_a_dtype_per_component(plain, tmp_path):
    masked(plain).save_pretrained(tmp_path, variant="fp16")
    denoiser = "unet" if hasattr(plain, "unet") else "transformer"
    dtypes = {denoiser: torch.bfloat16, "default": torch.float16}
    loaded = masking_class(type(plain)).from_pretrained(tmp_path, variant="fp16", dtype=dtypes)
    assert (getattr(loaded, denoiser).dtype, loaded.vae.dtype) == (torch.bfloat16, torch.float16)
    again = DiffusionPipeline.from_pretrained(tmp_path, variant="fp16")
    assert type(again) is type(plain)
