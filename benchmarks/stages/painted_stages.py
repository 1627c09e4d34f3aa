"""Every stage over painted pairs, of any number: what `stage_scaling` times and `stage_memory` weighs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.stages.fault_stages import TRAINING
from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.augmentation.run import augment_dataset
from dataset_builder.building.layout import pair_id
from dataset_builder.building.run import build
from dataset_builder.dataset_folder import shard_paths
from dataset_builder.engine.options import EngineOptions
from dataset_builder.export.convert import ExportOptions, convert
from dataset_builder.hub.card import write_card
from dataset_builder.noise.options import FilterRun
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.run import filter_dataset
from dataset_builder.parquet_shards import write_parquet
from dataset_builder.recipe import Recipe, Refinement, SamplingOptions
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.report.collect import ReportOptions
from dataset_builder.report.run import report_dataset
from diffusers_attnmask.ground.options import read_options
from train_segmenter.training.options import TrainingRecipe, TrainOptions

PAINTED = 256  # pairs; more are these again, under names and prompts of their own
SIDE = 128  # pixels of a build's, which reads no data
FEW_STEPS, MANY_STEPS = 4, 1024  # of judges
KEEP_ALL = PruneOptions({"default": 0.0})

Run = Callable[[Path, Path, EngineOptions], object]  # of data, of the folder to write, of an engine


@dataclass(frozen=True)
class PaintedStage:
    """pairs: for some minute of one worker at 128 × 128, beside which the first seconds of two are few."""

    run: Run
    pairs: int


def filtering(steps: int) -> Run:
    judges = read_options(TrainingRecipe, TRAINING, "judges")
    usual = {name: getattr(TrainOptions(), name) for name in ("log_every", "evaluate_every", "save_every")}
    changes = {"steps": steps, **usual}  # `TRAINING` saves so often that it takes longer than to train
    run = FilterRun(recipe=judges, changes=changes, pretrained="none", folds=2, crop=32, prune=KEEP_ALL)
    return lambda data, out, engine: filter_dataset(data, out, run, engine, progress=False)


def refining(method: str) -> Run:
    run = read_options(RefineRun, {"method": method}, "refine")
    return lambda data, out, engine: refine_dataset(data, out, run, engine, progress=False)


def augmenting(data: Path, out: Path, engine: EngineOptions) -> object:
    return augment_dataset(data, out, None, engine, progress=False)


def exporting(to: str) -> Run:
    options = read_options(ExportOptions, {"to": to}, "export")
    return lambda data, out, engine: convert(str(data), out, options, engine)


def reporting(data: Path, out: Path, engine: EngineOptions) -> object:
    return report_dataset(str(data), out / "report.html", ReportOptions(progress=False), engine)


def building(data: Path, out: Path, engine: EngineOptions) -> object:
    """As many pairs as the data have, refined by the CRF."""
    recipe = replace(painted_recipe(int(data.name)), refinement=Refinement("crf"))
    return build(recipe, out, engine, make_sampler=PaintedSampler(side=SIDE), show_progress=False)


STAGES: Mapping[str, PaintedStage] = {
    "build": PaintedStage(building, 512),
    "refine": PaintedStage(refining("crf"), 512),
    "filter": PaintedStage(filtering(FEW_STEPS), 1792),
    "judges of filter": PaintedStage(filtering(MANY_STEPS), 32),
    "augment": PaintedStage(augmenting, 2560),
    "export to coco": PaintedStage(exporting("coco"), 20480),
    "export to dataset": PaintedStage(exporting("dataset"), 32768),
    "report": PaintedStage(reporting, 24576),
}


def painted_recipe(pairs: int) -> Recipe:
    sampling = SamplingOptions(batch_size=16)
    return Recipe("tiny-world", pairs=pairs, shard_size=PAINTED, maps=True, sampling=sampling)


def painted(home: Path, pairs: int, side: int) -> Path:
    """A dataset in a folder that is named for its number of pairs; one that is there is taken."""
    folder = home / str(pairs)
    if folder.is_dir():
        return folder
    if pairs > PAINTED:
        return multiplied(painted(home, PAINTED, side), folder, pairs)
    sampler = PaintedSampler(side=side)
    build(painted_recipe(pairs), folder, EngineOptions(workers=0), make_sampler=sampler, show_progress=False)
    write_card(folder)
    return folder


def multiplied(few: Path, folder: Path, pairs: int) -> Path:
    table = pa.concat_tables(map(pq.read_table, shard_paths(few)))
    table = table.replace_schema_metadata({b"huggingface": table.schema.metadata[b"huggingface"]})
    starts = range(0, pairs, len(table))
    (folder / "data").mkdir(parents=True)
    for number, start in enumerate(starts):
        part = table.slice(0, pairs - start)
        numbers = range(start, start + len(part))
        told = zip(part["prompt"].to_pylist(), numbers, strict=True)
        part = with_column(part, "id", [pair_id(own) for own in numbers])
        part = with_column(part, "prompt", [f"{prompt}, number {own}" for prompt, own in told])
        write_parquet(part, folder / "data" / f"train-{number:05d}-of-{len(starts):05d}.parquet")
    write_card(folder)
    return folder


def with_column(table: pa.Table, name: str, values: list[str]) -> pa.Table:
    place = table.schema.get_field_index(name)
    field = table.schema.field(place)
    return table.set_column(place, field, pa.array(values, field.type))


def seconds(run: Run, data: Path, engine: EngineOptions) -> float:
    with tempfile.TemporaryDirectory() as home:
        started = time.perf_counter()
        run(data, Path(home) / "out", engine)
        return time.perf_counter() - started
