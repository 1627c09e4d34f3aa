"""Datasets elsewhere are written, gone on with and read as those of this machine, to the same bytes."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from benchmarks.stages.painted_sampler import PaintedSampler
from dataset_builder.augmentation.run import augment_dataset
from dataset_builder.building.dataset import build_dataset
from dataset_builder.engine.options import EngineOptions
from dataset_builder.export.convert import ExportOptions, convert
from dataset_builder.hub.publish import publish_folder
from dataset_builder.noise.prune import PruneOptions
from dataset_builder.noise.run import FilterRun, filter_dataset
from dataset_builder.recipe import Recipe, SamplingOptions
from dataset_builder.refinement.run import RefineRun, refine_dataset
from dataset_builder.report.run import report_dataset
from tests.elsewhere import contents
from train_segmenter.data import open_source

RECIPE = Recipe(
    "tiny-world", pairs=10, shard_size=4, maps=True, license="mit", sampling=SamplingOptions(batch_size=4)
)
RECORDS = ("build.log",)


pytestmark = pytest.mark.parametrize("elsewhere", ["memory"], indirect=True)  # enough: see `ground`


@pytest.fixture(autouse=True)
def painted(monkeypatch):
    monkeypatch.setattr("dataset_builder.building.run.diffumask_sampler", PaintedSampler(side=32))


def built(out, recipe=RECIPE):
    return build_dataset(recipe, out, EngineOptions(workers=0), progress=False)


def same_for_all(files: dict[str, bytes]) -> dict[str, bytes]:
    """What does not tell of the time at which it was written."""
    return {name: content for name, content in files.items() if name not in RECORDS}


@pytest.fixture
def dataset(elsewhere, tmp_path):
    """The same dataset here and elsewhere."""
    built(tmp_path / "set")
    elsewhere.put(tmp_path / "set")
    return tmp_path / "set"


def test_a_build_elsewhere_is_that_of_a_folder(elsewhere, tmp_path):
    built(elsewhere.address)
    built(tmp_path / "set")
    assert same_for_all(elsewhere.files()) == same_for_all(contents(tmp_path / "set"))


@pytest.mark.parametrize("machine", ["same", "another"])
def test_a_build_that_was_stopped_draws_only_what_is_missing(elsewhere, machine, tmp_path, monkeypatch):
    drawn = []

    class Counted(PaintedSampler):
        def draw(self, items, seeds):
            drawn.append(len(items))
            if len(drawn) == 2:
                raise KeyboardInterrupt
            return super().draw(items, seeds)

    monkeypatch.setattr("dataset_builder.building.run.diffumask_sampler", Counted(side=32))
    with pytest.raises(KeyboardInterrupt):
        built(elsewhere.address)
    names = elsewhere.files().keys()
    assert "data/train-00000-of-00003.parquet" in names and "manifest.json" in names
    if machine == "another":
        monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "another"))
    drawn[:] = [0, 0]
    built(elsewhere.address)
    assert sum(drawn) == RECIPE.pairs - RECIPE.shard_size
    built(tmp_path / "set")
    assert same_for_all(elsewhere.files()) == same_for_all(contents(tmp_path / "set"))


def test_a_build_elsewhere_grows_and_refuses_another_recipe(elsewhere, tmp_path):
    built(elsewhere.address)
    with pytest.raises(ValueError, match="was begun with another recipe: seed"):
        built(elsewhere.address, replace(RECIPE, seed=1))
    more = replace(RECIPE, pairs=13)
    built(elsewhere.address, more)
    built(tmp_path / "set", more)
    assert same_for_all(elsewhere.files()) == same_for_all(contents(tmp_path / "set"))


def refine(data, out):
    refine_dataset(data, out, RefineRun(method="crf"), progress=False)


def augment(data, out):
    augment_dataset(data, out, progress=False)


def keep_all(data, out):
    """A filter by judges that have learned nothing drops no pair at this threshold."""
    run = FilterRun(
        changes={"steps": 1, "batch_size": 2},
        crop=32,
        folds=2,
        pretrained="none",
        prune=PruneOptions(thresholds={"default": 0.0}),
    )
    filter_dataset(data, out, run, progress=False)


def export(data, out):
    convert(str(data), out, ExportOptions("voc"))


@pytest.mark.parametrize("derive", [refine, augment, keep_all, export])
def test_what_is_made_of_a_dataset_elsewhere_is_what_is_made_of_a_folder(
    derive, dataset, elsewhere, tmp_path
):
    out = elsewhere.beside("made")
    derive(elsewhere.address, out.address)
    derive(dataset, tmp_path / "made")
    assert out.files() == contents(tmp_path / "made")


def test_words_of_data_name_folders_elsewhere(dataset, elsewhere):
    source = open_source(f"{elsewhere.address}@train")
    assert len(source) == RECIPE.pairs and source[3].mask.shape == (32, 32)


def test_formats_are_read_from_elsewhere(dataset, elsewhere, tmp_path):
    voc = elsewhere.beside("voc")
    _, home = convert(str(dataset), voc.address, ExportOptions("voc"))
    assert str(home).startswith(voc.address)
    pairs, _ = convert(f"VOC:{home}", tmp_path / "back", ExportOptions("dataset"))
    assert len(pairs) == RECIPE.pairs


def test_a_report_of_a_dataset_elsewhere_is_written_here(dataset, elsewhere, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    before = elsewhere.files()
    assert report_dataset(elsewhere.address) == Path("report.html")
    assert "<title>set" in Path("report.html").read_text(encoding="utf-8")
    assert elsewhere.files() == before


def test_a_dataset_elsewhere_is_pushed(dataset, elsewhere, monkeypatch):
    pushed = {}

    def push(folder, repo, private):
        pushed.update(contents(folder))
        return repo

    monkeypatch.setattr("dataset_builder.hub.publish.push_folder", push)
    assert publish_folder(elsewhere.address, "user/name") == "user/name"
    shards = {name: content for name, content in elsewhere.files().items() if name.endswith(".parquet")}
    assert shards.items() <= pushed.items()


@pytest.mark.parametrize("path", ["{tmp}/secret.png", "../secret.png", "memory://a/secret.png"])
def test_rows_of_a_dataset_elsewhere_name_no_file_outside(path, dataset, elsewhere, tmp_path):
    file = dataset / "data/train-00000-of-00003.parquet"
    table = pq.read_table(file)
    rows = [{**row, "image": {"bytes": None, "path": path.format(tmp=tmp_path)}} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), file)
    elsewhere.put(dataset)
    with pytest.raises(ValueError, match=r"leads out of .*set"):
        augment_dataset(elsewhere.address, tmp_path / "out", progress=False)
