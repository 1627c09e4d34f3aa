"""`attnmask demo` writes pictures, masks, overlays and a contact sheet, offline."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from diffusers_attnmask import bundled, demo
from tests.small_models import IMAGE_SIZE, sd15


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    sd15().save_pretrained(folder)
    return folder


@pytest.fixture
def written(small_model, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bundled, "bundled_model", lambda: small_model)
    demo.demo(out=tmp_path / "pictures", steps=1, seed=0, method="diffumask")
    assert str(tmp_path / "pictures") in capsys.readouterr().out
    return tmp_path / "pictures"


def test_every_prompt_gets_its_picture_mask_and_overlay(written):
    kinds = ("image", "mask", "overlay")
    expected = {f"{index:02d}-{kind}.png" for index in range(len(demo.PROMPTS)) for kind in kinds}
    assert {path.name for path in written.iterdir()} == expected | {"contact-sheet.png"}
    for index, (_, classes) in enumerate(demo.PROMPTS):
        mask = Image.open(written / f"{index:02d}-mask.png")
        assert mask.size == Image.open(written / f"{index:02d}-image.png").size == (IMAGE_SIZE, IMAGE_SIZE)
        assert set(np.unique(np.asarray(mask))) <= {*range(len(classes) + 1), 255}


def test_the_prompts_name_their_classes():
    for prompt, classes in demo.PROMPTS:
        assert all(f" {name}" in prompt for name in classes)
