"""A recipe is found by path or by name."""

from __future__ import annotations

import pytest

import recipes


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "tiny.yaml").write_text("pairs: 2\n")
    monkeypatch.setattr(recipes, "FOLDER", tmp_path)
    return tmp_path


def test_a_name_finds_the_recipe_from_any_folder(folder, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert recipes.find("tiny") == folder / "tiny.yaml"


def test_a_path_wins_over_a_name(folder, monkeypatch):
    own = folder / "tiny"
    own.write_text("pairs: 3\n")
    monkeypatch.chdir(folder)
    assert recipes.find("tiny").resolve() == own


def test_an_unknown_recipe_lists_the_known(folder):
    with pytest.raises(FileNotFoundError, match=r"no recipe 'tny'.*tiny"):
        recipes.find("tny")
