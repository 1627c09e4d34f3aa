"""Where a dataset comes from: what its manifest, its card and its files say of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from huggingface_hub import DatasetCard

from dataset_builder.dataset_folder import shard_paths
from dataset_builder.hub.dataset_summary import DatasetSummary
from diffusers_attnmask.publishing import CARD

PACKAGE = "diffusers-attnmask"


@dataclass(frozen=True)
class About:
    """splits: pairs by the name that files begin with. date: of the newest file. recipe: as YAML, if any."""

    splits: Mapping[str, int]
    licence: str
    version: str
    date: str
    recipe: str

    def rows(self, facts: DatasetSummary) -> list[tuple[str, str]]:
        """What the page's head lists, without what is not known."""
        listed = {
            "splits": ", ".join(f"{name} {count:,}" for name, count in self.splits.items()),
            "mask method": ", ".join(facts.methods),
            "model": ", ".join(facts.models),
            "made with": f"{PACKAGE} {self.version}" if self.version else "",
            "newest file": self.date,
            "licence": self.licence,
        }
        return [(name, value) for name, value in listed.items() if value]


def about(folder: Path, facts: DatasetSummary, *, outside: bool = False) -> About:
    splits: Counter[str] = Counter()
    paths = shard_paths(folder, outside=outside)
    for path in paths:
        splits[path.name.partition("-")[0].removesuffix(path.suffix)] += pq.read_metadata(path).num_rows
    newest = max(path.stat().st_mtime for path in paths)
    recipe = dict(facts.recipe or {})
    return About(
        splits,
        _licence(folder / CARD) or recipe.get("license", ""),
        facts.software.get(PACKAGE, ""),
        datetime.fromtimestamp(newest, timezone.utc).date().isoformat(),
        yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True).strip() if recipe else "",
    )


def _licence(card: Path) -> str:
    try:
        return str(DatasetCard.load(card).data.license or "") if card.is_file() else ""
    except (ValueError, yaml.YAMLError):  # a person's own card, written amiss
        return ""
