"""Bundled files are checked before use, and a bad one is named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from diffusers_attnmask import bundled


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A small stand-in for the bundled folder, with its checksums."""
    for name, content in {
        "tiny-world/unet/weights.safetensors": b"weights",
        "tiny-world-sd3/model_index.json": b"{}",
        "oracle/config.json": b"{}",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    bundled.write_checksums(tmp_path)
    monkeypatch.setattr(bundled, "BUNDLED", tmp_path)
    return tmp_path


def test_intact_files_are_found(folder):
    assert bundled.bundled_model() == folder / "tiny-world"
    assert bundled.bundled_transformer() == folder / "tiny-world-sd3"
    assert bundled.bundled_oracle() == folder / "oracle"


def test_models_have_names_for_recipes_and_commands(folder):
    assert bundled.named_model("bundled") == folder / "tiny-world"
    assert bundled.named_model("bundled-transformer") == folder / "tiny-world-sd3"
    assert bundled.named_model("user/name") == Path("user/name")


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_checksums_are_in_the_common_format(folder):
    subprocess.run(["sha256sum", "--check", "--strict", bundled.CHECKSUMS], cwd=folder, check=True)


def test_a_changed_byte_of_the_same_size_is_damage(folder):
    (folder / "tiny-world/unet/weights.safetensors").write_bytes(b"weighty")
    with pytest.raises(OSError, match=r"weights\.safetensors is damaged.*git checkout"):
        bundled.bundled_model()
    assert bundled.bundled_oracle() == folder / "oracle"  # the other one is unharmed


def test_a_missing_file_is_named_with_its_remedy(folder):
    (folder / "oracle/config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"oracle/config\.json is missing.*reinstall"):
        bundled.bundled_oracle()


def test_missing_checksums_are_named(folder):
    (folder / bundled.CHECKSUMS).unlink()
    with pytest.raises(FileNotFoundError, match=r"SHA256SUMS is missing"):
        bundled.bundled_model()


def test_a_folder_without_record_is_not_taken_for_intact(folder):
    shutil.rmtree(folder / "oracle")
    bundled.write_checksums(folder)
    with pytest.raises(FileNotFoundError, match="nothing is recorded for 'oracle'"):
        bundled.bundled_oracle()


def test_a_repaired_file_is_accepted_in_the_same_process(folder):
    file = folder / "oracle/config.json"
    file.write_bytes(b"[]")
    with pytest.raises(OSError, match="damaged"):
        bundled.bundled_oracle()
    file.write_bytes(b"{}")
    assert bundled.bundled_oracle() == folder / "oracle"


def test_files_are_read_once_per_process(folder, monkeypatch):
    bundled.bundled_model()
    monkeypatch.setattr(bundled, "_digest", lambda file: pytest.fail(f"{file} was read again"))
    bundled.bundled_model()


def test_checksums_are_written_whole_or_not_at_all(folder, monkeypatch):
    before = (folder / bundled.CHECKSUMS).read_text()
    (folder / "oracle/new.json").write_text("{}")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        bundled.write_checksums(folder)
    assert (folder / bundled.CHECKSUMS).read_text() == before
    monkeypatch.undo()
    (folder / ".partial-killed").mkdir()
    (folder / ".partial-killed" / bundled.CHECKSUMS).touch()
    assert "partial" not in bundled.write_checksums(folder).read_text()  # it is no file of ours
