"""Options become a loaded pipeline: that of diffusers itself with the same things put on by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderTiny,
    DPMSolverMultistepScheduler,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
)
from PIL import Image
from safetensors.torch import load_file, save_file

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.ground.device import DTYPES, precision_on
from diffusers_attnmask.loading.asking import call_arguments
from diffusers_attnmask.loading.compiling import parts_without_attention
from diffusers_attnmask.loading.load import load_pipeline, place
from diffusers_attnmask.loading.options import DrawingOptions, Lora, ModelOptions
from diffusers_attnmask.masking.overhearing import has_attention
from diffusers_attnmask.sampling.run import SampleRun, sample_pictures
from tests.small_models import IMAGE_SIZE, picture, sd15, seeded
from tests.small_models.adapters import lora_weights
from tests.small_models.controls import adapter
from tests.small_models.denoisers import autoencoder, sd15_unet, unet_controlnet
from tests.small_models.single_files import write_single_file
from tests.small_models.transformers import TRANSFORMERS

CPU = {"device": "cpu"}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A model and what goes with it, as folders and files."""
    folder = tmp_path_factory.mktemp("shelf")
    sd15().save_pretrained(folder / "model")
    unet_controlnet().save_pretrained(folder / "controlnet")
    adapter(sd15_unet().config.block_out_channels).save_pretrained(folder / "adapter")
    with seeded("other vae"):
        other = type(autoencoder()).from_config(autoencoder().config)
    other.save_pretrained(folder / "vae")
    StableDiffusionPipeline.save_lora_weights(folder / "lora", unet_lora_layers=lora_weights(sd15_unet()))
    picture(size=100).save(folder / "condition.png")
    return folder


def image(pipe, options=None, conditions=()):
    pipe.set_progress_bar_config(disable=True)
    arguments = call_arguments(pipe, options or DrawingOptions(), 2, conditions)
    generator = torch.Generator().manual_seed(3)
    return pipe("a dog and a cat", generator=generator, output_type="np", **arguments).images[0]


def loaded(shelf, **options):
    return load_pipeline(shelf / "model", ModelOptions(**CPU, **options))


@pytest.fixture
def plain(shelf):
    pipe = StableDiffusionPipeline.from_pretrained(shelf / "model")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def test_a_model_loads_as_its_own_class_with_masks_and_draws_its_own_images(shelf, plain):
    pipe = loaded(shelf)
    assert isinstance(pipe, DiffuMaskPipeline) and isinstance(pipe, StableDiffusionPipeline)
    assert np.array_equal(image(pipe), image(plain))


def test_the_bundled_model_is_loaded_by_default():
    assert load_pipeline(None, ModelOptions(**CPU)).config["_name_or_path"].endswith("tiny-world")


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_weights_come_in_the_precision_asked_for(shelf, name):
    pipe = loaded(shelf, dtype=name)
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {DTYPES[name]}


def test_auto_is_bf16_only_where_the_gpu_computes_in_it(monkeypatch):
    assert precision_on("auto", "cpu") == "fp32"
    asked = []
    for computes, name in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda c=computes, **how: asked.append(how) or c)
        assert precision_on("auto", "cuda") == name
    assert asked == [{"including_emulation": False}] * 2
    assert precision_on("fp16", "cuda") == "fp16"


def test_loras_have_their_weights(shelf, plain):
    lora = Lora(str(shelf / "lora"), weight=0.5)
    own = image(loaded(shelf, loras=(lora,)))
    plain.load_lora_weights(shelf / "lora", adapter_name="own")
    full = image(plain)
    plain.set_adapters(["own"], [0.5])
    assert np.array_equal(own, image(plain))
    assert not np.array_equal(own, full)
    twice = image(loaded(shelf, loras=(replace(lora, weight=0.25), replace(lora, weight=0.25))))
    assert np.allclose(own, twice, atol=1e-4)


def test_a_lora_that_fits_no_layer_is_an_error(shelf, tmp_path, capfd):
    layers = {f"other.{name}": weights for name, weights in lora_weights(sd15_unet()).items()}
    StableDiffusionPipeline.save_lora_weights(tmp_path, text_encoder_lora_layers={}, unet_lora_layers=layers)
    with pytest.raises(ValueError, match="does not fit StableDiffusionPipeline") as caught:
        loaded(shelf, loras=(Lora(str(tmp_path)),))
    assert len(str(caught.value)) < 200 and "other." not in capfd.readouterr().err


def test_another_vae_decodes(shelf, plain):
    own = image(loaded(shelf, vae=str(shelf / "vae")))
    before = image(plain)
    plain.vae = type(plain.vae).from_pretrained(shelf / "vae")
    assert np.array_equal(own, image(plain)) and not np.array_equal(own, before)


def test_a_scheduler_gets_its_options(shelf, plain):
    own = loaded(
        shelf, scheduler="DPMSolverMultistepScheduler", scheduler_options={"use_karras_sigmas": True}
    )
    assert own.scheduler.config.use_karras_sigmas
    plain.scheduler = DPMSolverMultistepScheduler.from_config(plain.scheduler.config, use_karras_sigmas=True)
    assert np.array_equal(image(own), image(plain))
    assert loaded(shelf, scheduler_options={"clip_sample": True}).scheduler.config.clip_sample


def test_a_controlnet_looks_at_the_pictures(shelf, plain):
    pipe = loaded(shelf, controlnet=str(shelf / "controlnet"))
    assert isinstance(pipe, StableDiffusionControlNetPipeline)
    condition = Image.open(shelf / "condition.png").resize((IMAGE_SIZE,) * 2, Image.Resampling.LANCZOS)
    by_hand = StableDiffusionControlNetPipeline.from_pipe(plain, controlnet=unet_controlnet())
    by_hand.set_progress_bar_config(disable=True)
    expected = by_hand(
        "a dog and a cat",
        image=condition,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    ).images[0]
    assert np.array_equal(image(pipe, conditions=[shelf / "condition.png"]), expected)


def test_an_adapter_looks_at_the_pictures(shelf):
    pipe = loaded(shelf, adapter=str(shelf / "adapter"))
    assert isinstance(pipe, StableDiffusionAdapterPipeline)
    own = image(pipe, conditions=[shelf / "condition.png"])
    assert own.shape == (IMAGE_SIZE, IMAGE_SIZE, 3)


def test_a_vae_decodes_in_tiles_and_one_by_one(shelf):
    pipe = loaded(shelf, vae_tiling=True, vae_slicing=True)
    assert pipe.vae.use_tiling and pipe.vae.use_slicing


def test_all_but_attention_is_compiled_and_masks_change_no_image(shelf, monkeypatch):
    monkeypatch.setattr("diffusers_attnmask.loading.compiling.BACKEND", "eager")  # no minutes of g++
    compiled, plain = loaded(shelf, compile=True), loaded(shelf)
    parts = [own for own in compiled.unet.modules() if own._compiled_call_impl is not None]
    assert {"ResnetBlock2D", "FeedForward"} <= {
        type(own).__name__ for part in parts for own in part.modules()
    }
    assert not any(has_attention(part) for part in parts)
    assert compiled.vae.decoder._compiled_call_impl is not None
    expected = image(plain)
    assert np.array_equal(image(compiled), expected)
    masked = compiled(
        "a dog and a cat",
        classes=["dog"],
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(3),
        output_type="np",
    )
    assert np.array_equal(masked.images[0], expected)
    assert masked.heatmaps[0].std() > 0


@pytest.mark.parametrize("kind", ["sd3", "flux"])
def test_transformers_are_compiled_in_parts(kind):
    pipe = TRANSFORMERS[kind].build()
    parts = list(parts_without_attention(pipe.transformer))
    assert "FeedForward" in {type(own).__name__ for own in parts}
    assert not any(has_attention(part) for part in parts)


def test_without_its_safety_checker_a_model_has_none(shelf, tmp_path):
    from tests.small_models import safety_checker

    sd15(checker=safety_checker()).save_pretrained(tmp_path)
    assert load_pipeline(tmp_path, ModelOptions(**CPU)).safety_checker is not None
    assert load_pipeline(tmp_path, ModelOptions(**CPU, safety_checker=False)).safety_checker is None


def test_weights_in_groups_give_the_same_images_and_masks(shelf):
    """On a GPU they would come from the CPU's memory; the hooks are the same."""
    pipe, grouped = loaded(shelf), load_pipeline(shelf / "model", ModelOptions(**CPU))
    place(grouped, "group", "cpu")
    outs = [
        own(
            "a dog", classes=["dog"], num_inference_steps=2, generator=torch.Generator().manual_seed(0),
            output_type="np",
        )
        for own in (pipe, grouped)
    ]  # fmt: skip
    assert np.array_equal(outs[0].images, outs[1].images)
    assert torch.equal(outs[0].heatmaps[0], outs[1].heatmaps[0])


def test_other_arguments_reach_the_call(shelf, plain):
    pipe = loaded(shelf)
    own = image(pipe, DrawingOptions(guidance=3.0, size=(64, 128), call={"guidance_rescale": 0.7}))
    expected = plain(
        "a dog and a cat", guidance_scale=3.0, height=64, width=128, guidance_rescale=0.7,
        num_inference_steps=2, generator=torch.Generator().manual_seed(3), output_type="np",
    ).images[0]  # fmt: skip
    assert np.array_equal(own, expected)


def test_sample_takes_a_condition(shelf, tmp_path):
    run = SampleRun(
        **CPU,
        model=str(shelf / "model"),
        steps=1,
        controlnet=str(shelf / "controlnet"),
        condition=str(shelf / "condition.png"),
    )
    (written,) = sample_pictures("a dog", ["dog"], tmp_path / "out", run)
    assert len(written.files) == 3
    for wrong in ({"condition": None}, {"controlnet": None}):
        with pytest.raises(ValueError, match=r"^condition (must give|goes with)"):
            replace(run, **wrong)


def test_a_single_file_has_its_weights_and_the_configuration_that_is_named(shelf, tmp_path, plain):
    file = write_single_file(plain.unet, tmp_path / "own.safetensors")
    text = plain.text_encoder.state_dict()
    original = "cond_stage_model.transformer.text_model."
    text = {original + name.removeprefix("text_model."): own for name, own in text.items()}
    save_file(load_file(file) | text, file)
    config = shutil.copytree(shelf / "model", tmp_path / "config")
    for weights in config.rglob("*.safetensors"):
        weights.unlink()
    options = ModelOptions(**CPU, config=str(config), vae=str(shelf / "model"))
    pipe = load_pipeline(file, options)
    assert isinstance(pipe, DiffuMaskPipeline)
    assert np.array_equal(image(pipe), image(plain))


def test_a_small_decoder_of_another_kind_serves_as_a_vae(shelf, tmp_path, plain):
    with seeded("tiny"):
        AutoencoderTiny(
            encoder_block_out_channels=(8,) * 4,
            decoder_block_out_channels=(8,) * 4,
            num_encoder_blocks=(1,) * 4,
            num_decoder_blocks=(1,) * 4,
        ).save_pretrained(tmp_path)
    own = image(loaded(shelf, vae=str(tmp_path)))
    plain.vae = AutoencoderTiny.from_pretrained(tmp_path)
    assert np.array_equal(own, image(plain))
