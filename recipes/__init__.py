"""The recipes that travel with the package, found by name from anywhere."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(recipe: str | Path) -> Path:
    """The file that `recipe` means: a path to a YAML file, else the name of a bundled recipe."""
    if Path(recipe).is_file():
        return Path(recipe)
    if str(recipe) in names():
        return FOLDER / f"{recipe}.yaml"
    raise FileNotFoundError(
        f"no recipe {str(recipe)!r}: give a path to a YAML file, or one of {', '.join(names())}"
    )
