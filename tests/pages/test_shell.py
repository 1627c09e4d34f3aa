"""Every command line on the pages is one that its program takes; what takes seconds here is done."""

from __future__ import annotations

import re
import shutil
import sys
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from diffusers_attnmask import cli
from tests.pages.blocks import ROOT, Line, shell_lines

LINES = [own for own in shell_lines() if own.page != "results.md"]  # which a table in benchmarks/ decides
OURS = [own for own in LINES if "attnmask" in own.words or "attnmask" in own.text.split()]
BENCHMARKS = [own for own in LINES if "benchmarks." in own.text]
ELSE = [own for own in LINES if own not in OURS and own not in BENCHMARKS]

# How a line of ours is tried, by what stands in it; the first row that fits. Every line is read by its
# command as it is typed ("read"). Most are run, too, with small things in place of those that they name
# ("run"); those that would take hours whatever they name are tried with --dry-run ("trial").
WAYS = {
    "your-classes.md": ("read", "the page is walked whole by tests/end_to_end/test_your_classes.py"),
    "command-line.md: attnmask build": ("read", "as the next"),
    "command-line.md: attnmask filter": ("read", "the demo goes this way, with its own tests"),
    "s3://": ("read", "storages have tests of their own (tests/dataset_builder/test_elsewhere.py)"),
    "gs://": ("read", "as before"),
    "--gpus": ("read", "there are no two GPUs"),
    "--engine ray": (
        "read",
        "clusters have tests of their own (tests/dataset_builder/building)",
    ),
    "accelerate launch": ("read", "processes have tests of their own (tests/train_segmenter/training)"),
    "torchrun": ("read", "as before"),
    "--task panoptic": ("read", "objects have tests of their own (tests/train_segmenter/models)"),
    "publications.md: attnmask augment": ("read", "it has no trial, and reads what the line before writes"),
    "publications.md: attnmask eval": ("read", "it reads what the line before writes"),
    "--recipe voc-dataset-diffusion": ("read", "its model's settings are on the Hub alone"),
    "--by sam --model facebook/sam3": ("read", "a SAM of random weights finds nothing (tests of annotating)"),
    "attnmask push": ("read", "pushes have tests of their own (tests/dataset_builder/hub)"),
    "data/tiny@train[10%:]": ("read", "the lines before leave two pairs there"),
    "--steps 500 --out tuned": ("read", "the lines before write a model of other classes to its name"),
    "publications.md": ("trial", "published settings take days"),
    "train-seg-diffusion-voc": ("trial", "as before"),
}
# What a line names, and what stands in its place here.
IN_PLACE_OF = {
    "CompVis/stable-diffusion-v1-4": "stable-diffusion-v1-5/stable-diffusion-v1-5",  # known without the Hub
    "/data/VOC2012": "VOC2012",
    "facebook/sam2.1-hiera-small": "sam2",
    "facebook/sam3": "sam3",
    "photos/*.jpg": "photos",
    "samples/000000-image.png": "photos/000.png",
    "--recipe tiny": "--recipe small.yaml",
    "--num-pairs 64": "--num-pairs 2",
    "> recipe.schema.json": "",
    "--workers 8": "--workers 1",
    "-c dog": "-c star",
    '-c "bicycle=bicycle,bike"': "-c moon",
}
# What is said besides, so that a line takes seconds.
SMALL = {
    "sample": "--steps 2",
    "build": "--steps 2",
    "train": "--pretrained none --crop 32 --batch-size 2 --device cpu",
    "filter": "--pretrained none --folds 2 --crop 32 --batch-size 2 --threshold 0",
    "refine": "--epochs 1 --crop 32 --batch-size 2",
    "eval": "--device cpu",
    "segment": "--device cpu",
}
STEPS = re.compile(r"--steps \d{3,}")
WRITERS = ("train", "build", "annotate", "refine", "filter", "augment", "export", "eval", "sample", "segment")


def way(line: Line) -> str:
    return next((own for text, (own, _) in WAYS.items() if text in str(line)), "run")


def ours(line: Line) -> list[str]:
    """The words of a line from our command's name on, without what starts it."""
    words = line.words
    words = words[words.index("attnmask") :]
    return words[: words.index(">")] if ">" in words else words


@pytest.mark.parametrize("line", OURS, ids=str)
def test_a_command_takes_what_is_typed(line):
    _, name, *words = ours(line)
    read_by(cli.command_from(cli.installed_commands()[name]), name, words)


@pytest.mark.parametrize("line", BENCHMARKS, ids=str)
def test_a_benchmark_takes_what_is_typed(line):
    words = [own for own in line.words if "=" not in own or not own.isupper()]
    name = words[words.index("-m") + 1]
    app = typer.Typer()
    app.command()(import_module(name).main)
    read_by(typer.main.get_command(app), name, words[words.index("-m") + 2 :])


def read_by(command: Any, name: str, words: list[str]) -> None:
    """Refuses words that the command does not know, or lacks."""
    try:
        command.make_context(name, words)
    except typer.Exit:  # of an option that only prints
        return


@pytest.mark.parametrize("line", ELSE, ids=str)
def test_other_programs_find_what_is_named(line):
    """Targets of the Makefile, extras, modules and folders."""
    words = [own for own in line.words if not re.match(r"[A-Z_]+=", own)]
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg")
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.M)
    elif words[0] == "pip":
        assert words[1] == "install"
        assert set(re.findall(r"\[(\w+)\]", line.text)) <= set(settings["options.extras_require"])
    elif words[0] == "torchrun":
        import_module(words[words.index("-m") + 1])
    elif words[:2] == ["hf", "upload"]:
        assert {"README.md", "app.py"} <= {own.name for own in (ROOT / words[3]).iterdir()}
    else:
        assert words in ([".ci/run"], ["hf", "auth", "login"])


def pages(*ways: str) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in OURS:
        if way(line) in ways:
            found.setdefault(line.page, []).append(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("page", pages("run", "trial"))
def test_the_commands_of_a_page_do_their_work(page, place, monkeypatch):
    for line in pages("run", "trial")[page]:
        text = line.text
        for named, own in IN_PLACE_OF.items():
            text = text.replace(named, own)
        words = ours(Line(page, STEPS.sub("--steps 2", text)))
        small = SMALL.get(words[1], "").split()
        if "seg-diffusion" in words:  # which begins from a text-to-image model
            small = [own for own in small if own not in ("--pretrained", "none")]
        if words[1] == "refine" and "--method" in words:  # of others than AffinityNet's
            small = []
        words += [own for own in small if "--schema" not in words]
        if way(line) == "trial":
            words.append("--dry-run")
        if "--dry-run" in words:  # where nothing lies yet; the last --out counts
            words += ["--out", "trial"]
        elif words[1] in WRITERS and "--out" in words:
            shutil.rmtree(place / words[words.index("--out") + 1], ignore_errors=True)
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code, line


def test_what_is_replaced_and_told_apart_stands_on_the_pages():
    text = "\n".join(map(str, OURS))
    assert [named for named in [*IN_PLACE_OF, *WAYS] if named not in text] == []
    assert (Path(ROOT) / "tests/end_to_end/test_your_classes.py").is_file()
