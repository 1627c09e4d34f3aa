"""Where a dataset comes from: what its manifest, its card and its files say of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import yaml

from dataset_builder.dataset_folder import shard_paths
from dataset_builder.hub.card import license_of
from dataset_builder.hub.dataset_summary import DatasetSummary

PACKAGE = "diffusers-attnmask"


@dataclass(frozen=True)
class About:
    """date: of the newest file. recipe: as YAML, if any."""

    licence: str
    version: str
    date: str
    recipe: str

    def rows(self, facts: DatasetSummary) -> list[tuple[str, str]]:
        """What the page's head lists, without what is not known."""
        listed = {
            "splits": ", ".join(f"{name} {own.pairs:,}" for name, own in facts.splits.items()),
            "mask method": ", ".join(facts.methods),
            "model": ", ".join(facts.models),
            "made with": f"{PACKAGE} {self.version}" if self.version else "",
            "newest file": self.date,
            "licence": self.licence,
        }
        return [(name, value) for name, value in listed.items() if value]


def about(folder: Path, facts: DatasetSummary, *, outside: bool = False) -> About:
    newest = max(path.stat().st_mtime for path in shard_paths(folder, outside=outside))
    recipe = dict(facts.recipe or {})
    return About(
        license_of(folder) or recipe.get("license", ""),
        facts.software.get(PACKAGE, ""),
        datetime.fromtimestamp(newest, timezone.utc).date().isoformat(),
        yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).strip() if recipe else "",
    )
