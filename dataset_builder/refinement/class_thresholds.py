"""The published constants by class, read from `class_thresholds.yaml` or a table of the same form."""

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from diffusers_attnmask.ground.options import SECTION, Share, options, read_options, rising
from diffusers_attnmask.ground.yaml_files import read_yaml

PUBLISHED = "class_thresholds.yaml"


@options
class ClassThresholds:
    threshold: Annotated[tuple[Share, Share], AfterValidator(rising)]
    foreground: float
    background: float
    least_share: Share


@options
class ThresholdTable:
    """Constants of all classes but those that are named; a file says of these what is different."""

    defaults: ClassThresholds
    classes: Annotated[Mapping[str, ClassThresholds], SECTION] = field(default_factory=dict)

    @classmethod
    def spelled(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        defaults, classes = values.get("defaults"), values.get("classes")
        if not (isinstance(defaults, Mapping) and isinstance(classes, Mapping)):
            return values
        full = {
            name: {**defaults, **own} if isinstance(own, Mapping) else own for name, own in classes.items()
        }
        return {**values, "classes": full}


def class_thresholds(name: str, table: Path | None = None) -> ClassThresholds:
    """The constants of a class: the table's own where it has them, else its defaults.

    >>> class_thresholds("sofa").threshold
    (0.48, 0.58)
    >>> class_thresholds("unicorn").foreground
    -0.04
    """
    read = _read(table)
    return read.classes.get(name, read.defaults)


@cache
def _read(table: Path | None) -> ThresholdTable:
    with as_file(files("dataset_builder.refinement") / PUBLISHED) as published:
        file = table or published
        return read_options(ThresholdTable, read_yaml(file, "a table of thresholds"), str(file))
