"""YAML of options: a file is one mapping, no key is given twice, numbers are as people write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

PREFIX = "tag:yaml.org,2002:"


def read_yaml(file: Path, what: str) -> dict[str, Any]:
    """The mapping that a YAML file holds; `what` says what the file should be ("a recipe")."""
    try:
        content = yaml.load(file.read_text(encoding="utf-8"), PlainYaml)
    except yaml.MarkedYAMLError as mistake:
        mark = mistake.problem_mark or mistake.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{file} is not valid YAML: {line}{mistake.problem}") from mistake
    except (yaml.YAMLError, UnicodeDecodeError) as mistake:
        told = " ".join(str(mistake).split())
        raise ValueError(f"{file} is not valid YAML, which is text in UTF-8: {told}") from mistake
    if not isinstance(content, dict):
        raise ValueError(f"{file} is not {what}: it must be a list of `name: value` lines")
    return content


def read_value(text: str) -> Any:
    """What a single value means.

    >>> read_value("[0, 1e-4]"), read_value("otsu")
    ([0, 0.0001], 'otsu')
    """
    try:
        return yaml.load(text, PlainYaml)
    except yaml.YAMLError as mistake:
        told = mistake.problem if isinstance(mistake, yaml.MarkedYAMLError) else str(mistake)
        raise ValueError(f"{text!r} is not valid YAML: {told}") from mistake


class PlainYaml(yaml.SafeLoader):
    """YAML in which a key given twice is an error and no silent choice, 1e-4 a number, and a date text."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{PREFIX}merge":
                if (key.tag, key.value) in seen:
                    twice = f"{key.value!r} is given twice"
                    raise yaml.constructor.ConstructorError(None, None, twice, key.start_mark)
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)


PlainYaml.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in known if tag != f"{PREFIX}timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainYaml.add_implicit_resolver(
    f"{PREFIX}float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)
