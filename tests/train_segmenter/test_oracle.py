"""The oracle that judges generated pictures: bundled, small, and right about renders it never saw."""

from dataclasses import replace

import segmentation_models_pytorch as smp

from diffusers_attnmask.bundled import bundled_oracle
from tiny_world.oracle import CLASS_NAMES, STAGES, Renders, train_oracle
from train_segmenter.evaluation import evaluate
from train_segmenter.models import load


def test_the_bundled_oracle_knows_held_out_renders():
    folder = bundled_oracle()
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5e6
    report = evaluate(load(folder), Renders.draw(24, "test", start=5000), progress=False)
    assert report.mean_iou > 0.95 and report.class_names == CLASS_NAMES


def test_its_script_trains_all_stages_and_goes_on_where_it_stopped(tmp_path):
    stages = {
        name: replace(stage, steps=1, batch_size=2, dtype="fp32", warmup=0) for name, stage in STAGES.items()
    }
    out = train_oracle(tmp_path / "work", tmp_path / "oracle", 4, stages)
    first = (out / "model.safetensors").read_bytes()
    assert isinstance(smp.from_pretrained(str(out)), smp.Unet)
    train_oracle(tmp_path / "work", out, 4, stages)
    assert (out / "model.safetensors").read_bytes() == first
