"""Writes the pages that tell every key of a recipe, from the classes of options that read it.

    python docs/recipe_pages.py

`recipe_examples.yaml` has an example of each key; nothing else on these pages is written by hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.options import json_schema
from train_segmenter.training.options import TrainingRecipe

HERE = Path(__file__).parent
EXAMPLES = yaml.safe_load((HERE / "recipe_examples.yaml").read_text(encoding="utf-8"))
Schema = Mapping[str, Any]

PAGES = {
    "recipe.md": (
        Recipe,
        "The recipe of a dataset, key by key",
        "What may stand in the YAML file of [`attnmask build`](datasets.md), and in `Recipe`.",
    ),
    "training-recipe.md": (
        TrainingRecipe,
        "The recipe of a training, key by key",
        "What may stand in the YAML file of [`attnmask train`](segmenter.md), and in `TrainingRecipe`.",
    ),
}
LARGEST = 2**28  # and beyond: a limit that nobody meets


def page(kind: type[Any], title: str, lead: str) -> str:
    """A table for each class of options, in the order in which their keys name them."""
    schema = json_schema(kind)
    parts = [f"# {title}", lead]
    for name, section, where in sections(schema, schema, ""):
        head = f"## `{where}`" if where else f"## The keys of a {title.split()[1]}"
        parts += [head, section["description"], "\n".join(rows(name, section, schema))]
    return "\n\n".join(parts) + "\n"


def sections(section: Schema, schema: Schema, where: str) -> Iterator[tuple[str, Schema, str]]:
    """The class, the sections that its keys hold, and theirs, each with the key where it stands."""
    yield section["title"], section, where
    for key, value in section["properties"].items():
        for name, below in referred(value, f"{where}.{key}" if where else key):
            yield from sections(schema["$defs"][name], schema, below)


def referred(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """The classes that a value may be of, each with the key where it then stands."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], where
    for own in value.get("anyOf", ()):
        yield from (found for found in referred(own, where) if not within_list(found, value))
    if isinstance(value.get("items"), Mapping):
        yield from referred(value["items"], f"{where}[]")
    if isinstance(value.get("additionalProperties"), Mapping):
        yield from referred(value["additionalProperties"], f"{where}.<name>")


def within_list(found: tuple[str, str], value: Schema) -> bool:
    """Whether a list of the same stands beside a single one, and tells it already."""
    lists = (own["items"] for own in value["anyOf"] if isinstance(own.get("items"), Mapping))
    return not found[1].endswith("[]") and any(
        found[0] == name for own in lists for name, _ in referred(own, "")
    )


def rows(name: str, section: Schema, schema: Schema) -> Iterator[str]:
    yield "| key | may be | by default | what it decides | example |"
    yield "|---|---|---|---|---|"
    for key, value in section["properties"].items():
        example = inline({key: EXAMPLES[name][key]})
        default = code(value["default"]) if value.get("default") not in (None, [], {}) else ""
        needed = key in section.get("required", ())
        cells = (f"`{key}`", written(value), "needed" if needed else default, value["description"], example)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def written(value: Schema) -> str:
    """What may stand there, in words."""
    if "anyOf" in value:
        some = dict.fromkeys(written(own) for own in value["anyOf"] if own.get("type") != "null")
        return ", or ".join(some)
    if "enum" in value:
        return ", ".join(map(code, value["enum"]))
    if "const" in value:
        return code(value["const"])
    if "$ref" in value:
        return "a section, below"
    if "prefixItems" in value:
        return f"[{', '.join(written(own) for own in value['prefixItems'])}]"
    if value.get("type") == "array":
        return f"list of {written(value['items'])}".replace(", or", " or")
    if value.get("type") == "object":
        return "names with values"
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return names.get(value.get("type", ""), "anything") + bounds(value)


def bounds(value: Schema) -> str:
    low, above = value.get("minimum"), value.get("exclusiveMinimum")
    high, below = value.get("maximum"), value.get("exclusiveMaximum")
    told = []
    if low is not None or above is not None:
        told.append(f"from {short(low)}" if low is not None else f"above {short(above)}")
    if min(value.get("maximum", LARGEST), value.get("exclusiveMaximum", LARGEST)) < LARGEST:
        told.append(f"to {short(high)}" if below is None else f"below {short(below)}")
    if "multipleOf" in value:
        told.append(f"in steps of {value['multipleOf']}")
    return "".join(f" {own}" for own in told)


def short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def code(value: Any) -> str:
    return f"`{value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)}`"


def inline(value: Any) -> str:
    """YAML in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True, sort_keys=False)
    return f"`{text.strip().removeprefix('{').removesuffix('}')}`"


if __name__ == "__main__":
    for name, content in PAGES.items():
        (HERE / name).write_text(page(*content), encoding="utf-8")
