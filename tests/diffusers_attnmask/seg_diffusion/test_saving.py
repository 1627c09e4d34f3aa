"""A pipeline goes to a folder or the Hub and comes back the same."""

import pytest
import torch
from diffusers import DiffusionPipeline

import diffusers_attnmask
from diffusers_attnmask.publishing import pipeline_files
from diffusers_attnmask.seg_diffusion.pipeline import SegDiffusionPipeline
from tests.diffusers_attnmask.seg_diffusion.small_pipelines import asked, fresh_pipeline
from tests.small_models import picture

IMAGE = picture(size=64)
SETTINGS = {
    "noise": "pyramid",
    "processing_res": 64,
    "template": "picture of a {}",
    "id2label": {"0": "background", "1": "dog"},
    "phrases": {"dog": ["dogs"]},
}


def same_masks(pipe, other):
    other.set_progress_bar_config(disable=True)
    return torch.allclose(
        asked(pipe, IMAGE).probabilities[0], asked(other, IMAGE).probabilities[0], atol=1e-4
    )


@pytest.mark.parametrize("content_attention", [True, False])
def test_a_folder_holds_the_whole_pipeline(tmp_path, content_attention):
    pipe = fresh_pipeline("v_prediction", content_attention=content_attention, **SETTINGS)
    pipe.save_pretrained(tmp_path)
    again = SegDiffusionPipeline.from_pretrained(tmp_path)
    assert {name: again.config[name] for name in SETTINGS} == SETTINGS
    assert (again.content_attention is not None) == content_attention
    assert again.trained_classes == ["dog"] and again.scheduler.config.timestep_spacing == "trailing"
    assert same_masks(pipe, again)


def test_it_is_a_custom_pipeline_of_diffusers(tmp_path):
    pipe = fresh_pipeline()
    pipe.save_pretrained(tmp_path)
    file = diffusers_attnmask.__path__[0] + "/seg_diffusion/custom_seg_diffusion.py"
    again = DiffusionPipeline.from_pretrained(tmp_path, custom_pipeline=file, trust_remote_code=True)
    assert isinstance(again, SegDiffusionPipeline) and same_masks(pipe, again)


def test_a_repository_of_the_hub_is_loaded_without_its_code(tmp_path, monkeypatch):
    pipe = fresh_pipeline()
    pipe.save_pretrained(tmp_path / "saved")
    asked_for = {}

    def download(repo, allow_patterns, **options):
        asked_for.update(repo=repo, patterns=allow_patterns, **options)
        return str(tmp_path / "saved")

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    again = SegDiffusionPipeline.from_pretrained("user/name", revision="v1", dtype=torch.bfloat16)
    assert asked_for["repo"] == "user/name" and asked_for["revision"] == "v1"
    assert not any(pattern.endswith("py") for pattern in asked_for["patterns"])
    assert again.unet.dtype == again.content_attention.dtype == torch.bfloat16


def test_what_is_published_holds_every_part(tmp_path):
    fresh_pipeline().save_pretrained(tmp_path)
    files = pipeline_files(tmp_path)
    assert "model_index.json" in files
    for part in ("unet", "vae", "text_encoder", "content_attention"):
        assert any(name.startswith(f"{part}/") and name.endswith(".safetensors") for name in files), part
