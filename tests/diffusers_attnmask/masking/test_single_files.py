"""Checkpoints of one file: what is not in it stands in a folder, or in diffusers' table of known models."""

import json

import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.loaders import single_file_utils

from diffusers_attnmask import DiffuMaskPipeline
from diffusers_attnmask.masking.pipeline import masking_class
from tests.small_models import picture, sd15, sdxl
from tests.small_models.single_files import write_single_file
from tests.small_models.transformers import TRANSFORMERS

CALL = {"num_inference_steps": 2, "output_type": "pt", "classes": ["dog"]}


def run(pipe, **options):
    pipe.set_progress_bar_config(disable=True)
    return pipe("a dog and a cat", generator=torch.Generator().manual_seed(0), **(CALL | options))


def plain(pipe, **options):
    return run(DiffuMaskPipeline.from_pipe(pipe), **options)


def beside_the_unet(pipe):
    """The other networks, as they are given where a file does not hold them."""
    return {
        name: part
        for name, part in pipe.components.items()
        if isinstance(part, torch.nn.Module) and name != "unet"
    }


def folder_and_file(pipe, folder):
    """A model folder whose denoiser has no weights, and the file that has them."""
    pipe.save_pretrained(folder)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    return folder, write_single_file(pipe.unet, folder.parent / "model.safetensors")


@pytest.mark.parametrize("build", [sd15, sdxl])
def test_a_file_is_loaded_as_the_pipeline_that_its_config_names(build, tmp_path):
    pipe = build()
    folder, file = folder_and_file(pipe, tmp_path / "config")
    loaded = DiffuMaskPipeline.from_single_file(file, config=folder, **beside_the_unet(pipe))
    assert isinstance(loaded, type(pipe)) and isinstance(loaded, DiffuMaskPipeline)
    expected, found = plain(pipe), run(loaded)
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.heatmaps[0], expected.heatmaps[0])


def test_a_file_alone_is_the_model_that_diffusers_takes_it_for(tmp_path, monkeypatch):
    pipe = sd15()
    folder, file = folder_and_file(pipe, tmp_path / "config")
    (folder / "attnmask_config.json").write_text(json.dumps({"method": "ovam"}))
    known = {"pretrained_model_name_or_path": str(folder)}
    monkeypatch.setitem(single_file_utils.DIFFUSERS_DEFAULT_PIPELINE_PATHS, "v1", known)
    loaded = DiffuMaskPipeline.from_single_file(file, **beside_the_unet(pipe))
    assert torch.equal(run(loaded).images, plain(pipe).images)
    configured = DiffuMaskPipeline.from_single_file(file, config=folder, **beside_the_unet(pipe))
    assert (loaded.mask_settings.method, configured.mask_settings.method) == (None, "ovam")


def test_a_class_of_its_own_may_be_asked_for(tmp_path):
    pipe = sd15()
    folder, file = folder_and_file(pipe, tmp_path / "config")
    own = masking_class(StableDiffusionImg2ImgPipeline)
    loaded = own.from_single_file(file, config=folder, **beside_the_unet(pipe))
    assert isinstance(loaded, StableDiffusionImg2ImgPipeline)
    assert run(loaded, image=picture(), strength=0.9).heatmaps[0].std() > 1e-3


@pytest.mark.parametrize("name", ["sd3", "flux"])
def test_what_a_file_does_not_hold_may_be_given(name, tmp_path):
    small = TRANSFORMERS[name]
    pipe = small.build()
    pipe.save_pretrained(tmp_path / "config")
    file = write_single_file(sd15().unet, tmp_path / "of_another_model.safetensors")
    loaded = DiffuMaskPipeline.from_single_file(file, config=tmp_path / "config", **beside_the_unet(pipe))
    assert isinstance(loaded, type(pipe))
    options = {"height": 64, "width": 96, **small.unguided}
    assert torch.equal(run(loaded, **options).images, plain(pipe, **options).images)


def test_a_family_that_diffusers_reads_from_no_file_says_what_to_do(tmp_path):
    TRANSFORMERS["pixart"].build().save_pretrained(tmp_path)
    with pytest.raises(TypeError, match=r"no whole PixArtSigmaPipeline .*give it to"):
        DiffuMaskPipeline.from_single_file(tmp_path / "model.safetensors", config=tmp_path)


def test_pickles_are_not_opened_and_damage_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"model\.ckpt holds weights as a pickle"):
        DiffuMaskPipeline.from_single_file(tmp_path / "model.ckpt")
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged or cut off"):
        DiffuMaskPipeline.from_single_file(tmp_path / "model.safetensors")
