"""The recipes that travel with the package, found by name from anywhere."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

FOLDER = Path(__file__).parent
OF_TRAINING = "train-"  # what the names of recipes of segmenters begin with; the others are of datasets


def names(*, training: bool | None = None) -> list[str]:
    """Of the bundled recipes, or of those that are, or are not, of a training."""
    known = sorted(path.stem for path in FOLDER.glob("*.yaml"))
    return [name for name in known if training is None or name.startswith(OF_TRAINING) == training]


def find(recipe: str | Path, *, training: bool | None = None) -> Path:
    """The file that `recipe` means: a path to a YAML file, else the name of a bundled recipe, of those that
    `names` gives."""
    name, fitting = str(recipe), names(training=training)
    if Path(recipe).is_file():
        return Path(recipe)
    if name in fitting:
        return FOLDER / f"{name}.yaml"
    if name in names():
        own, asked = ("dataset", "training") if training else ("training", "dataset")
        raise ValueError(f"recipe {name!r} is of a {own}: a {asked} has {', '.join(fitting)}, or a YAML file")
    near = get_close_matches(name, fitting, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise FileNotFoundError(
        f"no recipe {name!r}{meant}: give a path to a YAML file, or one of {', '.join(fitting)}"
    )
