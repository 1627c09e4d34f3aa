"""`manifest.json`: what a folder is built from, and what came of it."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dataset_builder.building.tally import Tally
from dataset_builder.content_digest import content_digest
from dataset_builder.plain_values import differences, digest
from dataset_builder.recipe import Recipe
from diffusers_attnmask.ground.atomic_files import write_text

FILE_NAME = "manifest.json"
VERSION = 3  # of what a recipe makes: 1 gave images seeds of 63 bits, 2 bound shards to the number of pairs
PAIRS = "pairs"  # of a recipe: all that may change in a folder, and only grow
SOFTWARE = ("diffusers-attnmask", "diffusers", "torch", "pillow", "pyarrow")


@dataclass
class Manifest:
    """A build's recipe and inputs, its counts once it is complete, and what went wrong on the way.

    splits: how many pairs each one has.
    """

    recipe: Mapping[str, Any]
    inputs: Mapping[str, Any]
    tally: Tally | None = None
    splits: Mapping[str, int] = field(default_factory=dict)
    prompts: Mapping[str, Any] = field(default_factory=dict)
    incidents: Counter[str] = field(default_factory=Counter)
    version: int = VERSION

    @property
    def identity(self) -> str:
        """What the shards are bound to: recipe, inputs and version, but not how many pairs there are."""
        recipe = {key: value for key, value in self.recipe.items() if key != PAIRS}
        return digest({"recipe": recipe, "inputs": self.inputs, "version": self.version})

    @property
    def complete(self) -> bool:
        return self.tally is not None

    def write(self, folder: Path) -> None:
        content = {
            "version": self.version,
            "build": self.identity,
            "complete": self.complete,
            "tally": self.tally.to_dict() if self.tally else None,
            "splits": dict(self.splits),
            "prompts": dict(self.prompts),
            "incidents": dict(sorted(self.incidents.items())),
            "inputs": self.inputs,
            "recipe": self.recipe,
        }
        write_text(folder / FILE_NAME, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a folder that a build began; None for another folder."""
        file = folder / FILE_NAME
        if not file.is_file():
            return None
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            tally = Tally.from_dict(content["tally"]) if content["tally"] else None
            return cls(
                content["recipe"],
                content["inputs"],
                tally,
                content.get("splits", {}),
                content["prompts"],
                Counter(content["incidents"]),
                content.get("version", 1),
            )
        except (ValueError, KeyError, TypeError) as mistake:
            raise ValueError(f"{file} is not the manifest of a build: {mistake}") from mistake


def begin(folder: Path, recipe: Recipe, inputs: Mapping[str, Any]) -> Manifest:
    """The manifest of a new build, or of the same build begun before, which may grow; another build's folder
    is refused."""
    manifest = Manifest(recipe.deciding(), inputs)
    before = Manifest.read(folder)
    if before is None:
        data = folder / "data"
        if data.is_dir() and any(data.iterdir()):
            raise FileExistsError(f"{folder} holds data of something else: choose another --out")
        return manifest
    if before.version != VERSION:
        raise ValueError(
            f"{folder} was begun by {'an earlier' if before.version < VERSION else 'a later'} release, whose "
            "shards this one cannot go on with: complete it with that release, or take another --out"
        )
    held, asked = before.recipe[PAIRS], recipe.pairs
    changed = differences(
        {**before.recipe, PAIRS: asked, "inputs": before.inputs},
        {**manifest.recipe, "inputs": manifest.inputs},
    )
    if changed:
        raise ValueError(
            f"{folder} was begun with another recipe: {'; '.join(changed)}. Take the old recipe to go on "
            "with it, or another --out."
        )
    if asked < held:
        raise ValueError(
            f"{folder} is a build of {held} pairs, and {asked} are asked for: a build grows and does not "
            f"shrink. Ask for {held} or more, or take another --out."
        )
    manifest.incidents = before.incidents
    return before if asked == held else manifest


def check_goes_on(folder: Path, recipe: Recipe) -> None:
    """Refuse a folder that `begin` would refuse for the recipe's sake; its inputs are taken as they were."""
    before = Manifest.read(folder)
    begin(folder, recipe.on_this_machine(), before.inputs if before is not None else {})


def inputs_of(recipe: Recipe, model: Path | None, vocabulary: Any) -> dict[str, Any]:
    """What else decides the bytes: the files that the recipe names, and the versions of what reads them."""
    named = dict(recipe.sampling.addresses())
    if recipe.prompts.conditions:
        named["conditions"] = recipe.prompts.conditions
    if recipe.refinement.model:
        named["sam"] = recipe.refinement.model
    local = {name: content_digest(Path(own)) for name, own in named.items() if Path(own).exists()}
    return {
        "vocabulary": sha256(repr(vocabulary).encode()).hexdigest(),
        "model": content_digest(model) if model and model.exists() else recipe.revision,
        **({"beside": local} if local else {}),
        "network": content_digest(Path(network)) if (network := recipe.refinement.network) else None,
        "software": {"python": platform.python_version()} | {name: version(name) for name in SOFTWARE},
    }
