"""Whatever is imported is declared in setup.cfg, and no requirement stands there that nothing imports."""

import ast
import configparser
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGED = ("diffusers_attnmask", "dataset_builder", "train_segmenter", "tiny_world", "hub_cards", "recipes")
ELSEWHERE = ("tests", "benchmarks")
OURS = {*PACKAGED, *ELSEWHERE, *(file.stem for file in (ROOT / "benchmarks").glob("*.py"))}
LENT = {"spaces"}  # what machines have that lend a GPU, and nobody installs
OPTIONAL = {"pydensecrf": "pydensecrf2"}  # where it is not installed, its distribution cannot be looked up


def imported(*folders: str) -> dict[str, str]:
    """The distributions that folders import from, wherever in a file, and the last file that does."""
    found = {}
    for file in sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.split(".")[0]: str(file.relative_to(ROOT)) for name in names}
    installed = packages_distributions()
    return {
        canonical(installed.get(name, [OPTIONAL.get(name, name)])[0]): file
        for name, file in found.items()
        if name not in OURS | LENT | sys.stdlib_module_names
    }


def canonical(requirement: str) -> str:
    """The name alone, as PyPI compares names: `huggingface-hub` of `huggingface_hub>=1.0`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def declared(requirements: str) -> set[str]:
    return {canonical(line) for line in requirements.split("\n") if line}


SETUP = configparser.ConfigParser()
SETUP.read(ROOT / "setup.cfg", encoding="utf-8")
CORE = declared(SETUP["options"]["install_requires"])
EXTRAS = declared("\n".join(SETUP["options.extras_require"].values()))


def test_what_is_imported_is_declared():
    missing = {
        name: file for name, file in imported(*PACKAGED, *ELSEWHERE).items() if name not in CORE | EXTRAS
    }
    assert missing == {}


def test_what_every_installation_gets_is_imported():
    assert CORE - imported(*PACKAGED).keys() == set()
