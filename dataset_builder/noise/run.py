"""A whole filtering: judges trained on folds, pairs left out, and a new dataset that says why."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path

from datasets import Features, Value

from dataset_builder.checking import refuse_faults
from dataset_builder.content_digest import content_digest
from dataset_builder.dataset_copies import mask_names
from dataset_builder.dataset_folder import FILTER_TABLE, write_labels
from dataset_builder.derived_shards import DerivedRows, write_shards
from dataset_builder.engine.kept_parts import remove_parts
from dataset_builder.engine.options import EngineOptions
from dataset_builder.engine.workers import working
from dataset_builder.hub.card import write_derived_card
from dataset_builder.noise.filtering import write_table
from dataset_builder.noise.flags import flagged, flags_of
from dataset_builder.noise.judged_pairs import judged_pairs
from dataset_builder.noise.options import FilterRun
from dataset_builder.noise.prune import prune
from dataset_builder.noise.stage import KEPT, QUALITY, FilterStage
from dataset_builder.origin import identity_of
from diffusers_attnmask.ground.atomic_files import remove_folder, replacing
from diffusers_attnmask.ground.bars import moving_bar
from diffusers_attnmask.ground.places import new_place

WORK = "segmenters"  # folder of the judges while they are needed


@dataclass(frozen=True)
class Filtered:
    """How many pairs stayed, and how many went."""

    kept: int
    dropped: int


def filter_dataset(
    data: str | Path,
    out: str | Path,
    run: FilterRun | None = None,
    engine: EngineOptions | None = None,
    *,
    progress: bool = True,
) -> Filtered:
    """Write the pairs whose masks agree with segmenters that have not seen them as a new dataset folder.

    data: a folder or Hub name, or parts of its splits (`folder@train[:10%]`). Splits stay what they are, and
    judges learn from all of them. The new one has their quality as a column, a card, and a table of all
    pairs, kept or not. A run that was stopped goes on where it was.
    """
    run, engine = run or FilterRun(), engine or EngineOptions()
    with new_place(out, "filter") as work:
        alone = engine.engine == "local" and engine.workers <= 1
        stage = FilterStage(str(data), run, work / WORK, run.judge_threads, progress and alone)
        flags = flags_of(run.flags, stage.source)  # what cannot be read is told before anybody works
        with working(stage, engine, gpu=True) as workers:
            refuse_faults(workers, FilterStage.faults, {"pairs": len(stage.source)}, progress)
            judged = judged_pairs(stage, work, workers, progress)
            reasons = flagged(prune(judged, run.prune), stage.source, flags)
            chosen = zip(count(), judged, reasons, strict=False)
            stage.keep((number, pair.quality) for number, pair, reason in chosen if not reason)
            if all(reasons):
                raise ValueError(
                    f"no pair would be left (of the first: {reasons[0]}): ask for less, or train the "
                    "segmenters for more --steps"
                )
            rows = kept_rows(stage)
            with moving_bar("writing", len(rows), shown=progress) as bar:
                write_shards(rows, work, workers, bar.update)
        write_labels(mask_names(rows.features), work)
        with replacing(work / FILTER_TABLE) as path, path.open("w", encoding="utf-8", newline="") as stream:
            write_table(judged, reasons, stream)
        write_derived_card(work, Path(out).resolve().name, stage.opened[0].path)
        remove_parts(work)
        remove_folder(work / WORK)
    return Filtered(len(rows), len(reasons) - len(rows))


def kept_rows(stage: FilterStage) -> DerivedRows[FilterStage]:
    """The pairs that stay, with their quality, which all that judged them went into."""
    features = Features({**stage.source.dataset.features, QUALITY: Value("float32")})
    identity = identity_of("filter", stage.data, {"kept": content_digest(stage.work / KEPT)})
    return DerivedRows(stage.kept_lengths, FilterStage.rows, features, identity)
