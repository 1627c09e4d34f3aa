"""The page `your-classes.md` is walked from its first block to its last, small, with the bundled model."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from dataset_builder.dataset_folder import read_pairs
from diffusers_attnmask import cli

PAGE = Path(__file__).parents[2] / "docs/your-classes.md"
IN_PLACE_OF = {
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "bundled",
    "heron": "star",
    "kingfisher": "fish",
    "duck": "heart",
    "gull": "moon",
    "boat": "house",
    "pairs: 20000": "pairs: 12",
    "{steps: 30, batch_size: 16}": "{steps: 4, batch_size: 6, attempts: 1}",
    "-n 4": "-n 1 --steps 2",
    "--steps 5000": "--steps 2 --pretrained none --crop 64 --batch-size 2",
    "photos/*.jpg": "look/000000-image.png",
}
JUDGES = "--recipe train-tiny --pretrained none --folds 2 --steps 2 --batch-size 2 --threshold 0"
NETWORK = "attnmask push"  # which is tried elsewhere, against a server of the tests' own


def blocks(kind: str) -> list[str]:
    page = PAGE.read_text(encoding="utf-8")
    for text, small in IN_PLACE_OF.items():
        assert text in page, f"{text} no longer stands on the page"
        page = page.replace(text, small)
    return re.findall(rf"^```{kind}\n(.*?)^```", page, re.M | re.S)


def typed(line: str, monkeypatch) -> int:
    words = shlex.split(f"{line} {JUDGES}" if line.startswith("attnmask filter") else line)
    monkeypatch.setattr(sys, "argv", words)
    try:
        cli.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.slow
def test_the_whole_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (recipe,) = blocks("yaml")
    Path("birds.yaml").write_text(recipe, encoding="utf-8")
    commands = [line for block in blocks("bash") for line in block.splitlines()]
    assert len(commands) == 10
    for line in commands:
        if not line.startswith(NETWORK):
            assert typed(line, monkeypatch) == 0, line
    assert Path("birds/report.html").is_file() and list(Path("photo-masks").glob("*.png"))
    (python,) = blocks("python")
    found: dict = {}
    exec(python, found)
    assert len(found["pairs"]) == len(list(read_pairs(Path("birds-kept")))) > 0
    names = re.search(r"# (\[.*\])", python)[1]
    assert str(found["pairs"].features["classes"].feature.names) == names
