"""The wheel carries everything and works away from the checkout."""

from __future__ import annotations

import email
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

TREE = Path(__file__).parents[2]
PACKAGES = ("diffusers_attnmask", "dataset_builder", "train_segmenter", "tiny_world", "hub_cards", "recipes")
NOWHERE = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
NOT_AT_THE_TOP = ("build", "dist", "demo", "site", "tests", "benchmarks")


def not_source(folder: str, names: list[str]) -> set[str]:
    return NOWHERE(folder, names) | (set(NOT_AT_THE_TOP) if Path(folder) == TREE else set())


def pip(*arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)],
        check=True,
        stdout=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, since a build folder left in the tree would add files that are gone."""
    copy = shutil.copytree(TREE, tmp_path_factory.mktemp("tree") / "copy", ignore=not_source)
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", folder, copy)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel alone in a folder; its dependencies stay those of the running environment."""
    site = tmp_path_factory.mktemp("site")
    pip("install", "--no-deps", "--no-index", "--target", site, wheel)
    return site


@pytest.fixture
def elsewhere(installed, tmp_path):
    """Runs a command in another folder, where only the installed wheel is found; returns its output."""

    def run(*command: str | Path) -> str:
        environment = {**os.environ, "PYTHONPATH": str(installed), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    return run


def test_the_wheel_holds_every_file_of_every_package(wheel):
    with ZipFile(wheel) as archive:
        members = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for package in PACKAGES for path in (TREE / package).rglob("*") if path.is_file())
    assert members == {path.relative_to(TREE).as_posix() for path in files if "__pycache__" not in path.parts}


def test_the_wheel_carries_its_license(wheel):
    with ZipFile(wheel) as archive:
        (license_file,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
        assert archive.read(license_file) == (TREE / "LICENSE").read_bytes()


def test_its_description_leads_from_any_page_to_what_is_there(wheel):
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        description = email.message_from_bytes(archive.read(name)).get_payload()
    links = re.findall(r"\]\(([^)\s]+)\)", description)
    assert links and all(link.startswith("https://") for link in links)
    for branch in ("blob", "raw"):
        own = [link for link in links if branch in link.partition("/main/")[0]]
        assert own and all((TREE / link.partition("/main/")[2].partition("#")[0]).is_file() for link in own)


def test_the_installed_package_is_used_and_finds_its_model(elsewhere, installed):
    program = (
        "import diffusers_attnmask as a; print(a.__file__, a.bundled_model(), a.bundled_oracle(), sep='\\n')"
    )
    for path in elsewhere(sys.executable, "-c", program).splitlines():
        assert Path(path).is_relative_to(installed)
        assert Path(path).exists()


def test_the_installed_command_runs(elsewhere, installed):
    from diffusers_attnmask import __version__

    assert elsewhere(installed / "bin" / "attnmask", "--version") == f"attnmask {__version__}"


def test_the_installed_doctor_finds_nothing_broken(elsewhere, installed):
    findings = json.loads(elsewhere(installed / "bin" / "attnmask", "doctor", "--json"))
    assert findings["healthy"] is True
    assert Path(findings["bundled"]["model"]["path"]).is_relative_to(installed)


def test_every_declared_command_loads(elsewhere, installed):
    listing = elsewhere(installed / "bin" / "attnmask", "--help")
    assert "demo" in listing
    assert "unavailable" not in listing


def test_evaluate_loads_the_metric_of_the_package(elsewhere):
    program = """
import evaluate
from train_segmenter.mean_iou import path
compute = evaluate.load(path()).compute
print(compute(predictions=[[[0, 1]]], references=[[[1, 1]]], num_labels=2, ignore_index=255)["mean_iou"])
"""
    assert float(elsewhere(sys.executable, "-c", program).splitlines()[-1]) == 0.25


def test_recipes_are_found_by_name(elsewhere, installed):
    program = "import recipes; print(*(recipes.find(name) for name in recipes.names()), sep='\\n')"
    found = {Path(line) for line in elsewhere(sys.executable, "-c", program).splitlines()}
    assert found == {installed / "recipes" / path.name for path in (TREE / "recipes").glob("*.yaml")} != set()
