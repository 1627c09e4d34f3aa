"""The pages lead where they say, and what they quote of the program is what the program says."""

import ast
import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGES = ("diffusers_attnmask", "dataset_builder", "train_segmenter")


@pytest.fixture(scope="module")
def sentences():
    """Every text of the source, its inserted values as gaps, in one."""
    found = []
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.JoinedStr):
                    parts = [own.value if isinstance(own, ast.Constant) else "{}" for own in node.values]
                    found.append("".join(map(str, parts)))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return "\n".join(found)


def quoted_errors():
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    return [text for line in re.findall(r"^### (.*)$", page, re.M) for text in re.findall("`([^`]+)`", line)]


def test_there_are_twenty_likely_errors():
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    assert len(re.findall("^### ", page, re.M)) == 20


@pytest.mark.parametrize("text", quoted_errors())
def test_an_error_that_is_explained_is_one_that_is_said(sentences, text):
    assert text in sentences


def in_the_nav(entry):
    values = entry if isinstance(entry, list) else entry.values() if isinstance(entry, dict) else [entry]
    for value in values:
        yield from in_the_nav(value) if not isinstance(value, str) else [value]


def test_every_page_has_its_place_on_the_site():
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    nav = yaml.load(config, yaml.BaseLoader)["nav"]
    notebooks = [f"notebooks/{own.stem}.md" for own in DOCS.glob("notebooks/*.ipynb")]
    assert sorted(in_the_nav(nav)) == sorted([page.name for page in DOCS.glob("*.md")] + notebooks)


def test_one_address_stands_everywhere():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    address = settings["metadata"]["url"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"] == address
    assert f"repo_url: {address}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert all(link.startswith(address) for link in links_of(settings["metadata"]["project_urls"]))


def links_of(text):
    return re.findall(r"https://\S+", text)


def test_the_citation_is_of_this_version():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == settings["metadata"]["version"]
    assert citation["license"] == settings["metadata"]["license"]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING -" not in done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(list(DOCS.glob("*.md")))
    fetched = r"<(?:script|img|link rel=\"(?:stylesheet|preconnect|icon)\")[^>]*(?:src|href)=\"https?://"
    assert [page for page in pages if re.search(fetched, page.read_text(encoding="utf-8"))] == []
