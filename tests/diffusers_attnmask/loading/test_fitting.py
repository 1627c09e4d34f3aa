"""What does not fit a model is told by its option, all at once, before a weight is read."""

from __future__ import annotations

import json
import re

import pytest
from safetensors.torch import save_file

from diffusers_attnmask.ground.options import OptionsError
from diffusers_attnmask.loading.load import load_pipeline
from diffusers_attnmask.loading.options import DrawingOptions, Lora, ModelOptions
from diffusers_attnmask.loading.source import find_model
from tests.small_models import sd15
from tests.small_models.denoisers import unet_controlnet
from tests.small_models.flow_parts import flow_autoencoder
from tests.small_models.transformers import TRANSFORMERS


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Models without weights: their configurations alone."""
    folder = tmp_path_factory.mktemp("shelf")
    for name, pipe in (
        ("sd15", sd15()),
        ("flux", TRANSFORMERS["flux"].build()),
        ("sd3", TRANSFORMERS["sd3"].build()),
    ):
        pipe.save_pretrained(folder / name)
    unet_controlnet().save_pretrained(folder / "controlnet")
    flow_autoencoder(16).save_pretrained(folder / "vae16")
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
    return folder


@pytest.mark.parametrize(
    ("model", "options", "due"),
    [
        ("sd15", {"device": "cuda"}, "device: there is no cuda on this machine, which has cpu"),
        ("sd15", {"offload": "model"}, "offload model needs a GPU"),
        ("sd15", {"scheduler": "FastScheduler"}, "diffusers has no scheduler 'FastScheduler'"),
        ("sd15", {"scheduler": "AutoencoderKL"}, "diffusers has no scheduler 'AutoencoderKL'"),
        (
            "sd15",
            {"scheduler": "DPMSolverMultistepScheduler", "scheduler_options": {"use_karas_sigmas": True}},
            "DPMSolverMultistepScheduler has no option use_karas_sigmas: did you mean use_karras",
        ),
        ("sd15", {"scheduler": "FlowMatchEulerDiscreteScheduler"}, "is for flow matching"),
        ("sd15", {"scheduler": "KarrasVeScheduler"}, "KarrasVeScheduler does not sample so for StableDiff"),
        ("sd15", {"scheduler_options": {"beta_schedule": "steep"}}, "scheduler_options: DDIMScheduler does "),
        ("sd3", {"scheduler": "DDIMScheduler"}, "the model was trained by flow matching"),
        ("sd3", {"scheduler": "UniPCMultistepScheduler"}, "scheduler option use_flow_sigmas: true"),
        ("sd15", {"loras": (Lora("nowhere.safetensors"),)}, "there is no file or folder nowhere"),
        ("sd15", {"vae": "{shelf}/vae16"}, "vae16 has 16 latent channels, and the model needs 4"),
        ("sd15", {"vae": "{shelf}/controlnet"}, "holds a ControlNetModel, which is no vae"),
        ("sd15", {"controlnet": "{shelf}/vae16"}, "holds a AutoencoderKL, which is no controlnet"),
        (
            "sd15",
            {"quantization": {"quant_backend": "fast"}},
            "quantization.quant_backend must be one of bitsandbytes_4bit, ",
        ),
        ("sd15", {"call": {"true_cfg_scale": 4.0}}, "has no argument true_cfg_scale: it has"),
        ("sd15", {"call": {"guidance_rescal": 0.1}}, "did you mean guidance_rescale?"),
        ("sd15", {"call": {"num_inference_steps": 4}}, "call.num_inference_steps is decided by steps"),
    ],
)  # fmt: skip
def test_what_the_family_does_not_know_is_named(shelf, model, options, due):
    options = {
        name: value.format(shelf=shelf) if isinstance(value, str) else value
        for name, value in options.items()
    }
    with pytest.raises(OptionsError) as caught:
        load_pipeline(shelf / model, DrawingOptions(**{"device": "cpu", **options}))
    assert due in str(caught.value)


def test_a_backend_that_is_not_installed_is_named(shelf, monkeypatch):
    from diffusers_attnmask.loading import fitting

    monkeypatch.setattr(fitting, "find_spec", lambda name: None)
    asked = DrawingOptions(quantization={"quant_backend": "bitsandbytes_4bit"}, loras=(Lora("user/name"),))
    with pytest.raises(
        OptionsError, match=r"loras need peft.*bitsandbytes_4bit needs bitsandbytes: pip install"
    ):
        load_pipeline(shelf / "sd15", asked)


def test_all_faults_are_told_at_once(shelf):
    asked = DrawingOptions(offload="model", scheduler="Fast", call={"eta": 1.0, "etta": 2.0}, device="cpu")
    with pytest.raises(OptionsError) as caught:
        load_pipeline(shelf / "flux", asked)
    assert [fault.key for fault in caught.value.faults] == ["offload", "scheduler", "call", "call"]


def test_guidance_that_a_family_has_under_another_name_is_told(shelf, monkeypatch):
    index = json.loads((shelf / "flux/model_index.json").read_text())
    monkeypatch.setattr(
        "diffusers_attnmask.loading.source.index_of",
        lambda *_: {**index, "_class_name": "HunyuanImagePipeline"},
    )
    with pytest.raises(
        OptionsError, match=r"guidance: HunyuanImagePipeline has no guidance_scale; .*distilled_"
    ):
        load_pipeline(shelf / "flux", DrawingOptions(guidance=4.0))


@pytest.mark.parametrize(
    ("address", "due"),
    [
        ("{tmp}/empty", "empty holds no pipeline: it has no model_index.json"),
        ("{tmp}/model.ckpt", "holds weights as a pickle, which could run code"),
        ("{tmp}/broken.safetensors", "is damaged or cut off"),
        ("{tmp}/none.safetensors", "There is no model at"),
        ("nowhere", "There is no model at 'nowhere'"),
        ("user/name", "no model of this name within reach"),
    ],
)
def test_a_model_that_is_none_is_told(tmp_path, address, due):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.safetensors").write_bytes(b"0123456789")
    with pytest.raises((ValueError, OSError), match=re.escape(due)):
        load_pipeline(address.format(tmp=tmp_path))


def test_a_family_without_a_sister_for_an_adapter_says_so(shelf):
    with pytest.raises(TypeError, match="diffusers has no FluxAdapterPipeline"):
        find_model(str(shelf / "flux"), ModelOptions(adapter="user/adapter"))


def test_configurations_go_with_single_files(shelf):
    with pytest.raises(ValueError, match="goes with a model that is a single file"):
        find_model(str(shelf / "flux"), ModelOptions(config="user/name"))


def test_a_single_file_has_the_configuration_that_is_named(shelf, tmp_path):
    save_file({}, tmp_path / "own.safetensors")
    found = find_model(str(tmp_path / "own.safetensors"), ModelOptions(config=str(shelf / "sd15")))
    assert found.single_file and found.kind.__name__ == "StableDiffusionPipeline"
    assert find_model(str(shelf / "sd15"), ModelOptions()).single_file is False
