"""`attnmask doctor` tells what works and what would repair the rest."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
import sys

import pytest
import typer
from packaging.requirements import Requirement

from diffusers_attnmask import bundled
from diffusers_attnmask.commands import doctor
from diffusers_attnmask.doctor import environment
from diffusers_attnmask.doctor.examine import devices, examine_extra
from diffusers_attnmask.ground import device


@pytest.fixture
def intact_files(tmp_path, monkeypatch):
    for name in ("tiny-world", "tiny-world-sd3", "oracle"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    bundled.write_checksums(tmp_path)
    monkeypatch.setattr(bundled, "BUNDLED", tmp_path)
    return tmp_path


def test_requirements_are_those_of_the_metadata():
    assert {"torch", "diffusers", "typer"} <= {each.name for each in environment.requirements()}
    assert "timm" in {each.name for each in environment.requirements("train")}
    assert "torch" not in {each.name for each in environment.requirements("train")}


def test_an_extra_made_of_extras_is_resolved():
    everything = {each.name for each in environment.requirements("all")}
    for extra in environment.extras():
        assert {each.name for each in environment.requirements(extra)} <= everything
    assert environment.DISTRIBUTION not in everything


def test_an_absent_distribution_is_reported():
    found = environment.inspect(Requirement("no-such-distribution>=1; extra == 'x'"))
    assert (found.version, found.problem) == (None, "not installed")
    assert found.required == "no-such-distribution>=1"


def test_an_old_version_is_reported_with_the_one_needed():
    found = environment.inspect(Requirement("typer>=999"))
    assert found.version == importlib.metadata.version("typer")
    assert ">=999 is needed" in found.problem


def test_a_package_that_does_not_load_is_reported(monkeypatch):
    def refuse(name):
        raise ImportError("libstdc++.so.6: wrong ELF class")

    monkeypatch.setattr(environment, "import_module", refuse)
    found = environment.inspect(Requirement("typer"), load=True)
    assert "wrong ELF class" in found.problem


def test_the_install_command_names_exactly_what_is_missing(monkeypatch):
    real = environment.version

    def without_timm(name):
        if name == "timm":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(environment, "version", without_timm)
    extra = examine_extra("train")
    assert not extra["works"]
    timm = next(str(each).split(";")[0] for each in environment.requirements("train") if each.name == "timm")
    assert shlex.split(extra["install"])[1:] == ["-m", "pip", "install", "--upgrade", timm]


def test_without_torch_there_are_no_devices_and_no_crash(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert devices() == []


@pytest.mark.parametrize(("precision", "told"), [("bf16", True), ("fp32", False)])
def test_a_processor_that_computes_in_bf16_is_told(monkeypatch, precision, told):
    monkeypatch.setattr(device, "fastest_precision", lambda name: precision)
    assert ("computes in bf16" in devices()[-1]["name"]) is told


def test_json_is_one_document_that_a_program_can_read(intact_files, capsys):
    doctor.doctor(as_json=True)
    findings = json.loads(capsys.readouterr().out)
    assert findings["healthy"] is True
    assert findings["devices"][-1]["device"] == "cpu"
    assert findings["bundled"]["model"] == {
        "intact": True,
        "path": str(intact_files / "tiny-world"),
        "problem": None,
    }
    assert list(findings["bundled"]) == ["model", "transformer", "oracle"]
    assert set(findings["extras"]) == set(environment.extras())


def test_a_damaged_bundled_file_is_unhealthy_and_named(intact_files, capsys):
    (intact_files / "oracle" / "config.json").write_text("[]")
    with pytest.raises(typer.Exit) as end:
        doctor.doctor(as_json=False)
    assert end.value.exit_code == 1
    assert "oracle/config.json is damaged" in capsys.readouterr().out


def test_every_missing_extra_comes_with_its_command(intact_files, monkeypatch, capsys):
    def nothing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", nothing)
    with pytest.raises(typer.Exit):
        doctor.doctor(as_json=False)
    out = capsys.readouterr().out
    for requirement in environment.requirements("all"):
        assert f"{requirement.name} not installed" in out
    assert out.count("install: ") == len(environment.extras()) + 1  # and one for the core
