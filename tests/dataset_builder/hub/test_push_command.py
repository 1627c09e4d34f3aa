"""`attnmask push` and `attnmask build --push-to`, with the token of the environment."""

from __future__ import annotations

import pytest

from dataset_builder.build_command import build
from dataset_builder.building import run
from dataset_builder.push_command import push
from tests.dataset_builder.hub.hub_server import TOKEN
from tests.painted_sampler import PaintedSampler

REPO = "someone/shapes"


@pytest.fixture(autouse=True)
def token(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)


def test_push_publishes_the_folder_under_its_new_name(hub, folder, capsys):
    push(REPO, data=folder, license="mit")
    assert f"pushed to {hub.endpoint}/datasets/{REPO}" in capsys.readouterr().out
    card = hub.files(REPO)["README.md"].decode()
    assert f'load_dataset("{REPO}", split="train")' in card
    assert "license: mit" in card


def test_build_pushes_what_it_builds(hub, tmp_path, monkeypatch, capsys):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("vocabulary: tiny-world\nmodel: someone/model\npairs: 6\nshard_size: 3\n")
    monkeypatch.setattr(run, "pipeline_sampler", lambda recipe: PaintedSampler())
    build(str(recipe), out=tmp_path / "data", workers=0, push_to=REPO, private=True)
    assert hub.repos[REPO]["private"]
    assert {"README.md", "id2label.json", "manifest.json"} < set(hub.files(REPO))
    assert sum(name.endswith(".parquet") for name in hub.files(REPO)) == 2
    assert f"pushed to {hub.endpoint}/datasets/{REPO}" in capsys.readouterr().out


def test_a_wrong_token_is_named_before_anything_is_built(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    with pytest.raises(OSError, match="does not accept the token"):
        build("tiny", out=tmp_path / "data", push_to=REPO)
    assert not (tmp_path / "data").exists()
