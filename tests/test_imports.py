"""The packages import one way, in no circle, and nothing imports a command."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What each package may import of the others; the builder's demo may import the tiny world, too.
MAY_IMPORT = {
    "diffusers_attnmask": (),
    "train_segmenter": ("diffusers_attnmask",),
    "dataset_builder": ("diffusers_attnmask", "train_segmenter"),
    "tiny_world": ("diffusers_attnmask", "train_segmenter"),
}
DEMO = "dataset_builder.demo"
SHARED = "shared_"  # begins the names of what the commands of a package have in common


def module_name(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imported_names(file: Path) -> Iterator[str]:
    """All that a file imports at its head, inside functions, and for type checkers."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph(root: Path) -> dict[str, set[str]]:
    """The modules that each module of the packages under a folder names; `a.b.c` is `a.b` where c is none."""
    files = {module_name(file, root): file for own in MAY_IMPORT for file in (root / own).rglob("*.py")}
    return {
        module: {
            found
            for name in imported_names(file)
            for found in (name if name in files else name.rpartition(".")[0],)
            if found in files
        }
        for module, file in files.items()
    }


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules of which each imports, by way of others, itself."""
    reached = {module: set(targets) for module, targets in graph.items()}
    for middle in graph:
        for targets in reached.values():
            if middle in targets:
                targets |= reached[middle]
    found: list[set[str]] = []
    for module in graph:
        circle = {other for other in reached[module] if module in reached[other]}
        if circle and circle not in found:
            found.append(circle)
    return found


def commands_imported(graph: Mapping[str, set[str]]) -> list[str]:
    """Every import of a command; the commands of a package may share their options."""
    return [
        f"{module} imports {target}"
        for module, targets in graph.items()
        for target in sorted(targets)
        if ".commands" in target
        and not (f".{SHARED}" in target and module.startswith(target.partition(SHARED)[0]))
    ]


def upward_imports(graph: Mapping[str, set[str]]) -> list[str]:
    """Every import of a package that the importing one must not know."""
    found = []
    for module, targets in graph.items():
        own = module.partition(".")[0]
        allowed = {own, *MAY_IMPORT[own], *(("tiny_world",) if module.startswith(DEMO) else ())}
        found += [
            f"{module} imports {target}" for target in targets if target.partition(".")[0] not in allowed
        ]
    return found


@pytest.fixture(scope="module")
def graph():
    return import_graph(ROOT)


def test_nothing_imports_a_command(graph):
    assert commands_imported(graph) == []


def test_no_package_imports_a_higher_one(graph):
    assert upward_imports(graph) == []


def test_no_file_imports_itself_by_way_of_others(graph):
    assert circles(graph) == []


def test_what_is_forbidden_is_found_wherever_it_stands(tmp_path):
    """The three tests above would also pass on nothing."""
    files = {
        "diffusers_attnmask/commands/sample.py": "import json\n",
        "diffusers_attnmask/app.py": "def app():\n    import diffusers_attnmask.commands.sample\n",
        "diffusers_attnmask/words.py": "from train_segmenter import data\n",
        "train_segmenter/__init__.py": "",
        "train_segmenter/data.py": "from train_segmenter.models import load\n",
        "train_segmenter/models.py": "if TYPE_CHECKING:\n    import train_segmenter.data\n",
        "train_segmenter/commands/train.py": "from train_segmenter.commands import shared_options\n",
        "train_segmenter/commands/shared_options.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    graph = import_graph(tmp_path)
    assert commands_imported(graph) == ["diffusers_attnmask.app imports diffusers_attnmask.commands.sample"]
    assert upward_imports(graph) == ["diffusers_attnmask.words imports train_segmenter.data"]
    assert circles(graph) == [{"train_segmenter.data", "train_segmenter.models"}]
