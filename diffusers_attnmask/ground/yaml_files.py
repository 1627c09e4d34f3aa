"""YAML of options: a file is one mapping, no key is given twice, numbers are as people write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from diffusers_attnmask.ground.extent import check_extent
from diffusers_attnmask.ground.option_faults import shown

PREFIX = "tag:yaml.org,2002:"
LARGEST_FILE = 8 * 2**20  # bytes


def read_yaml(file: Path, what: str) -> dict[str, Any]:
    """The mapping that a YAML file holds; `what` says what the file should be ("a recipe")."""
    if file.stat().st_size > LARGEST_FILE:
        raise ValueError(f"{file} is not {what}: it has more than {LARGEST_FILE:,} bytes")
    try:
        content = _loaded(file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as mistake:
        raise ValueError(f"{file} is not valid YAML, which is text in UTF-8: {mistake}") from mistake
    except ValueError as mistake:
        raise ValueError(f"{file} is not valid YAML: {mistake}") from mistake
    if not isinstance(content, dict):
        raise ValueError(f"{file} is not {what}: it must be a list of `name: value` lines")
    return content


def read_value(text: str) -> Any:
    """What a single value means.

    >>> read_value("[0, 1e-4]"), read_value("otsu")
    ([0, 0.0001], 'otsu')
    """
    try:
        return _loaded(text)
    except ValueError as mistake:
        raise ValueError(f"{shown(text)} is not valid YAML: {mistake}") from mistake


def _loaded(text: str) -> Any:
    """What YAML says; all that is wrong with it is a ValueError that tells the line."""
    try:
        content = yaml.load(text, PlainYaml)
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or mistake.context_mark
        raise ValueError(f"line {mark.line + 1}: {mistake.problem}" if mark else mistake.problem) from mistake
    except yaml.YAMLError as mistake:
        raise ValueError(" ".join(str(mistake).split())) from mistake
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    check_extent(content)
    return content


class PlainYaml(yaml.SafeLoader):
    """YAML in which a key given twice is an error and no silent choice, and 1e-4 a number. A date is text, as
    are 010 and 1:30, which YAML takes for 8 and 90."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{PREFIX}merge":
                name = self.construct_object(key)
                if name in seen:
                    twice = f"{key.value!r} is given twice"
                    raise yaml.constructor.ConstructorError(None, None, twice, key.start_mark)
                seen.add(name)
        return super().construct_mapping(node, deep)


PlainYaml.yaml_implicit_resolvers = {
    first: [
        (tag, form) for tag, form in known if tag.removeprefix(PREFIX) not in ("timestamp", "int", "float")
    ]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainYaml.add_implicit_resolver(
    f"{PREFIX}int",
    re.compile(r"[-+]?(0|[1-9][\d_]*|0x[\da-fA-F_]+|0b[01_]+)$", re.ASCII),
    list("-+0123456789"),
)
PlainYaml.add_implicit_resolver(
    f"{PREFIX}float",
    re.compile(
        r"[-+]?(\d[\d_]*\.[\d_]*|\.\d[\d_]*|\d+(?=[eE]))([eE][-+]?\d+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$",
        re.ASCII,
    ),
    list("-+.0123456789"),
)
